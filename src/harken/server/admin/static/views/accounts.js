// SPDX-License-Identifier: Apache-2.0
import { get, patch, post, remove } from "../api.js";
import { button, field, form, h, say, show, sure, table } from "../dom.js";
import { credits, mono, when } from "../format.js";

export default async function accounts({ redraw }) {
  const told = await get("accounts");
  const path = (account) => `accounts/${encodeURIComponent(account.id)}`;

  const create = form([
    field("Name", h("input", { name: "name", required: true, maxlength: "100" })),
  ], "Create account", async (data) => {
    const made = await post("accounts", { name: data.get("name") });
    await redraw();
    say(`Account ${made.name} was made.`);
  }, { kind: "row" });

  function opened(title, ...content) {
    const dialog = h("dialog", { onclose: () => dialog.remove() }, h("h2", {}, title), content,
      h("p", {}, button("Leave it", () => dialog.close())));
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
  }

  function rename(account) {
    const dialog = opened(`Rename ${account.name}`, form([
      field("Name", h("input", { name: "name", required: true, maxlength: "100", value: account.name })),
    ], "Rename", async (data) => {
      await patch(path(account), { name: data.get("name") });
      dialog.close();
      await redraw();
      say("The account was renamed.");
    }));
  }

  function grant(account) {
    const unlimited = button("Make unlimited", async () => {
      await remove(`${path(account)}/credits`);
      dialog.close();
      await redraw();
      say(`Work costs ${account.name} nothing now.`);
    });
    const dialog = opened(`Credits of ${account.name}`,
      h("p", {}, account.balance === null
        ? "Unlimited: work costs nothing. Once credits were given, it costs."
        : `${credits(account.balance)} credits are left.`),
      form([
        field("Credits to give", h("input", { name: "credits", type: "number", step: "0.001", required: true }),
          "Below zero takes some. One is a minute of audio, unless the settings say otherwise."),
        field("Note", h("input", { name: "note", maxlength: "500" })),
      ], "Give", async (data) => {
        const { balance } = await post(`${path(account)}/credits`,
          { credits: Number(data.get("credits")), note: data.get("note") });
        dialog.close();
        await redraw();
        say(`${account.name} has ${credits(balance)} credits now.`);
      }),
      account.balance === null ? null : h("p", {}, unlimited));
  }

  async function ledger(account) {
    const { entries } = await get(`${path(account)}/credits?limit=200`);
    await show(`Ledger of ${account.name}`, table("The newest entries", [
      ["When", (entry) => when(entry.at)],
      ["Kind", (entry) => entry.kind],
      ["Credits", (entry) => credits(entry.credits), "number"],
      ["Job", (entry) => (entry.job ? mono(entry.job) : "")],
      ["Note", (entry) => entry.note],
    ], entries));
  }

  async function close(account) {
    const closed = account.closed === null;
    if (closed && !await sure(`Close ${account.name}? Its keys open nothing then, until it is opened again.`, "Close")) return;
    await patch(path(account), { closed });
    await redraw();
    say(`${account.name} is ${closed ? "closed" : "open"} now.`);
  }

  return [
    create,
    table("Accounts", [
      ["Name", (account) => account.name],
      ["State", (account) => (account.closed === null ? h("span", { class: "good" }, "open")
        : h("span", { class: "warn" }, "closed"))],
      ["Credits", (account) => credits(account.balance), "number"],
      ["Made", (account) => when(account.created)],
      ["Id", (account) => mono(account.id)],
      ["", (account) => [
        button("Credits", () => grant(account), { label: `Credits of ${account.name}` }),
        button("Ledger", () => ledger(account), { label: `Ledger of ${account.name}` }),
        button("Rename", () => rename(account), { label: `Rename ${account.name}` }),
        button(account.closed === null ? "Close" : "Open", () => close(account),
          { kind: "danger", label: `${account.closed === null ? "Close" : "Open"} ${account.name}` }),
      ], "acts"],
    ], told.accounts),
  ];
}
