// SPDX-License-Identifier: Apache-2.0
import { get } from "../api.js";
import { h, table } from "../dom.js";
import { count, length, mono } from "../format.js";

const EVERY = 5000;

export default async function overview({ redraw, current }) {
  const told = await get("overview");
  const sum = (name) => told.queues.reduce((total, queue) => total + queue[name], 0);
  const alive = told.workers.filter((worker) => worker.alive).length;
  const tile = (name, value, kind = "") => h("div", { class: "sheet" }, name, h("strong", { class: kind }, value));
  const again = () => current() && (document.hidden ? setTimeout(again, EVERY) : redraw());
  setTimeout(again, EVERY);
  return [
    h("div", { class: "tiles" },
      tile("Server", told.ready ? "ready" : "not ready", told.ready ? "good" : "bad"),
      tile("Waiting", count(sum("queued"))),
      tile("Being done", count(sum("processing"))),
      tile("Workers", count(alive), alive ? "" : "bad")),
    h("h2", {}, "Health"),
    table("Parts that must work", [
      ["Part", (check) => check.part],
      ["State", (check) => h("span", { class: check.ok ? "good" : "bad" }, check.ok ? "works" : "does not work")],
      ["", (check) => check.detail],
    ], told.checks),
    h("h2", {}, "Queue"),
    table("Jobs and stages that have not ended", [
      ["Lane", (queue) => queue.lane],
      ["Waiting", (queue) => count(queue.queued), "number"],
      ["Being done", (queue) => count(queue.processing), "number"],
      ["Longest wait", (queue) => length(queue.waits), "number"],
    ], told.queues),
    h("h2", {}, "Workers"),
    table("Processes that take jobs", [
      ["State", (worker) => h("span", { class: worker.alive ? "good" : "bad" }, worker.alive ? "alive" : "silent")],
      ["Process", (worker) => count(worker.pid), "number"],
      ["Lanes", (worker) => (worker.lanes || ["all"]).join(", ")],
      ["Models", (worker) => (worker.models || ["any"]).join(", ")],
      ["Last heard of", (worker) => `${Math.round(worker.silence)} s ago`, "number"],
      ["Id", (worker) => mono(worker.id)],
    ], told.workers, "No worker has started yet."),
    h("p", { class: "faint" }, `harken ${told.version}`),
  ];
}
