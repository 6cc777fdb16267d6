// SPDX-License-Identifier: Apache-2.0
import { get, post, remove } from "../api.js";
import { button, h, say, sure, table } from "../dom.js";
import { count, size } from "../format.js";

const EVERY = 1000;
const EVERY_LOADED = 5000;
const idle = (model) => !["running", "stopping"].includes(model.fetch?.state);

export default async function models({ redraw, current }) {
  const told = await get("models");
  const busy = told.models.some((model) => !idle(model) || model.workers.some((one) => one.state === "loading"));
  const again = () => current() && (document.hidden ? setTimeout(again, EVERY_LOADED) : redraw());
  setTimeout(again, busy ? EVERY : EVERY_LOADED);

  async function fetchIt(model) {
    await post(`models/${model.name}/fetch`);
    await redraw();
    say(`${model.name} is being fetched.`);
  }

  async function callOff(model) {
    await remove(`models/${model.name}/fetch`);
    await redraw();
    say(`The fetch of ${model.name} is called off.`);
  }

  async function hold(model, verb, told) {
    await post(`models/${model.name}/${verb}`);
    await redraw();
    say(`The workers are told to ${told} ${model.name}.`);
  }

  async function erase(model) {
    if (!await sure(`Delete the files of ${model.name} (${size(model.size)})?`, "Delete")) return;
    const { freed } = await remove(`models/${model.name}`);
    await redraw();
    say(`${model.name} was deleted; ${size(freed)} are free.`);
  }

  function state(model) {
    const { fetch } = model;
    if (!idle(model)) {
      const bar = fetch.total
        ? h("progress", { value: fetch.done, max: fetch.total, "aria-label": `Fetching ${model.name}` })
        : h("progress", { "aria-label": `Fetching ${model.name}` });
      return [bar, h("div", { class: "hint" }, `${fetch.state === "stopping" ? "stopping" : fetch.doing} ${size(fetch.done)}`)];
    }
    const parts = [model.installed ? h("span", { class: "good" }, "installed") : h("span", { class: "faint" }, "not here")];
    if (model.default) parts.push(" (default)");
    if (fetch?.state === "failed") parts.push(h("div", { class: "hint bad" }, fetch.error));
    if (fetch?.state === "cancelled") parts.push(h("div", { class: "hint" }, "The fetch was called off."));
    return parts;
  }

  function memory(model) {
    return model.workers.map((one) => h("div", { class: one.state === "failed" ? "hint bad" : "hint" },
      `${one.state === "failed" ? "not loaded" : one.state} in process ${one.pid}`,
      one.processes > 1 ? ` (${count(one.processes)} times)` : null,
      one.detail ? `: ${one.detail}` : null));
  }

  return [
    table("Models", [
      ["Name", (model) => h("strong", {}, model.name), "name"],
      ["State", state],
      ["In memory of", memory],
      ["Size", (model) => size(model.size), "number"],
      ["", (model) => model.description],
      ["Licence", (model) => model.licence],
      ["", (model) => [
        !model.installed && idle(model)
          ? button("Fetch", () => fetchIt(model), { label: `Fetch ${model.name}` }) : null,
        model.fetch?.state === "running"
          ? button("Cancel", () => callOff(model), { kind: "plain", label: `Cancel the fetch of ${model.name}` }) : null,
        model.recognises && model.installed && idle(model)
          ? button("Load", () => hold(model, "load", "load"), { label: `Load ${model.name}` }) : null,
        model.workers.some((one) => one.state !== "failed")
          ? button("Unload", () => hold(model, "unload", "let go of"), { label: `Unload ${model.name}` }) : null,
        model.installed && !model.needed && idle(model)
          ? button("Delete", () => erase(model), { kind: "danger", label: `Delete ${model.name}` }) : null,
      ].filter(Boolean), "acts"],
    ], [...told.models].sort((one, other) => other.installed - one.installed)),
    h("p", { class: "faint" },
      "Workers load a model with the first job that asks for it, and keep the two that they used last. "
      + "What is unloaded is loaded again by the next job that asks for it."),
  ];
}
