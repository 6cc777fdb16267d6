// SPDX-License-Identifier: Apache-2.0
import { get, post, remove } from "../api.js";
import { button, field, form, h, say, select, sure, table } from "../dom.js";
import { length, mono, when } from "../format.js";

const STATES = ["queued", "processing", "completed", "failed", "cancelled"];
const LOOK = { completed: "good", failed: "bad", cancelled: "faint" };
const RUNNING = new Set(["queued", "processing"]);

let wanted = { account: "", state: "" };

export default async function jobs({ redraw }) {
  const { accounts } = await get("accounts");
  const names = Object.fromEntries(accounts.map((account) => [account.id, account.name]));
  const query = (cursor) => {
    const parts = Object.entries({ ...wanted, cursor, limit: "50" }).filter(([, value]) => value);
    return `jobs?${new URLSearchParams(parts)}`;
  };
  const filter = form([
    field("Account", select("account", [["", "any"], ...accounts.map(({ id, name }) => [id, name])], wanted.account)),
    field("State", select("state", [["", "any"], ...STATES.map((state) => [state, state])], wanted.state)),
  ], "Show", async (data) => {
    wanted = { account: data.get("account"), state: data.get("state") };
    await redraw();
  }, { kind: "row" });

  async function cancel(job) {
    await post(`jobs/${job.id}/cancel`);
    await redraw();
    say(`Job ${job.id} is being cancelled.`);
  }

  async function erase(job) {
    if (!await sure(`Delete job ${job.id} (${job.filename || "no name"}), its recording and its text?`, "Delete")) return;
    await remove(`jobs/${job.id}`);
    await redraw();
    say(`Job ${job.id} was deleted.`);
  }

  const state = (job) => h("span", { class: LOOK[job.state] },
    job.state === "processing" ? `${job.stage ?? "processing"} ${Math.floor(100 * job.progress)} %` : job.state);
  const columns = [
    ["Made", (job) => when(job.created)],
    ["Account", (job) => names[job.account] ?? job.account],
    ["State", (job) => [state(job), job.error ? h("div", { class: "hint" }, job.error.message) : null].filter(Boolean)],
    ["File", (job) => job.filename],
    ["Length", (job) => length(job.duration), "number"],
    ["Model", (job) => job.model ?? "default"],
    ["Id", (job) => mono(job.id)],
    ["", (job) => [
      RUNNING.has(job.state) ? button("Cancel", () => cancel(job), { label: `Cancel job ${job.id}` }) : null,
      button("Delete", () => erase(job), { kind: "danger", label: `Delete job ${job.id}` }),
    ].filter(Boolean), "acts"],
  ];
  const pages = h("div");
  async function add(cursor) {
    const page = await get(query(cursor));
    pages.lastElementChild?.remove();
    const more = page.next ? button("Older jobs", () => add(page.next)) : null;
    pages.append(table("Jobs, newest first", columns, page.jobs, "No such job."), h("p", {}, more ?? ""));
  }
  await add("");
  return [filter, h("p", { class: "acts-row" }, button("Refresh", redraw)), pages];
}
