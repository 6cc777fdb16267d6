// SPDX-License-Identifier: Apache-2.0
import { get, patch, post, remove } from "../api.js";
import { button, field, form, h, say, select, show, sure, table } from "../dom.js";
import { mono, when } from "../format.js";

const SCOPES = [
  ["transcribe", "transcribe"], ["jobs:read", "read jobs"], ["text", "text work"], ["admin", "administer"],
];
const DAY = 24 * 3600;
const LOOK = { active: "good", expired: "warn", revoked: "faint" };

const listed = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const whole = (text) => (text === "" ? null : Number(text));

/** The inputs of a key's policy, filled from a key or from what is usual. */
function policy(key) {
  const scopes = key ? key.scopes : ["transcribe", "jobs:read", "text"];
  const box = ([value, text]) => h("label", {},
    h("input", { type: "checkbox", name: "scopes", value, checked: scopes.includes(value) }), text);
  const text = (name, value) => h("input", { name, value: value ?? "" });
  const number = (name, value) => h("input", { name, type: "number", min: "1", value: value === null ? "" : String(value ?? "") });
  return [
    h("fieldset", {}, h("legend", {}, "May"), SCOPES.map(box)),
    field("Models", text("models", key?.models.join(", ")), "Separated by commas; empty is any."),
    field("Languages", text("languages", key?.languages.join(", ")), "Separated by commas; empty is any."),
    field("Requests per minute", number("rate", key?.rate), "Empty is the server's own limit."),
    field("Requests at once", number("concurrency", key?.concurrency), "Empty is the server's own limit."),
  ];
}

const asked = (data) => ({
  name: data.get("name"),
  scopes: data.getAll("scopes"),
  models: listed(data.get("models")),
  languages: listed(data.get("languages")),
  rate: whole(data.get("rate")),
  concurrency: whole(data.get("concurrency")),
});

export default async function keys({ redraw }) {
  const [{ tokens }, { accounts }] = await Promise.all([get("tokens"), get("accounts")]);
  const names = Object.fromEntries(accounts.map((account) => [account.id, account.name]));
  const open = accounts.filter((account) => account.closed === null).map((account) => [account.id, account.name]);
  const name = () => h("input", { name: "name", required: true, maxlength: "100" });

  const create = form([
    field("Name", name(), "What the key is for."),
    field("Account", select("account", open), "Keys of one account see each other's jobs, and nobody else's."),
    policy(null),
    field("Days until it expires", h("input", { name: "days", type: "number", min: "1" }), "Empty is never."),
  ], "Create key", async (data) => {
    const days = whole(data.get("days"));
    const made = await post("tokens", {
      ...asked(data), account: data.get("account"), expires: days === null ? null : Date.now() / 1000 + days * DAY,
    });
    await show("The new key", h("p", {}, "Copy it now: it is not shown again."), h("code", { class: "secret" }, made.key));
    await redraw();
    say(`Key ${made.token.prefix} was made.`);
  });

  async function change(key) {
    const input = name();
    input.value = key.name;
    const dialog = h("dialog", { onclose: () => dialog.remove() },
      h("h2", {}, `Change key ${key.prefix}`),
      form([field("Name", input), policy(key)], "Change key", async (data) => {
        await patch(`tokens/${key.id}`, asked(data));
        dialog.close();
        await redraw();
        say(`Key ${key.prefix} was changed.`);
      }),
      h("p", {}, button("Leave it", () => dialog.close())));
    document.body.append(dialog);
    dialog.showModal();
  }

  async function revoke(key) {
    if (!await sure(`Revoke the key ${key.prefix} (${key.name})? It opens nothing from then on, for good.`, "Revoke")) return;
    await remove(`tokens/${key.id}`);
    await redraw();
    say(`Key ${key.prefix} was revoked.`);
  }

  const limits = (key) => [
    key.models.length ? `models ${key.models.join(", ")}` : null,
    key.languages.length ? `languages ${key.languages.join(", ")}` : null,
    key.rate === null ? null : `${key.rate} a minute`,
    key.concurrency === null ? null : `${key.concurrency} at once`,
  ].filter(Boolean).join("; ");

  return [
    table("API keys", [
      ["Prefix", (key) => mono(key.prefix)],
      ["Name", (key) => key.name],
      ["Account", (key) => names[key.account] ?? key.account],
      ["State", (key) => h("span", { class: LOOK[key.state] }, key.state)],
      ["May", (key) => key.scopes.join(", ")],
      ["Only", limits],
      ["Last used", (key) => when(key.last_used)],
      ["Expires", (key) => when(key.expires)],
      ["", (key) => (key.state === "revoked" ? [] : [
        button("Change", () => change(key), { label: `Change key ${key.prefix}` }),
        button("Revoke", () => revoke(key), { kind: "danger", label: `Revoke key ${key.prefix}` }),
      ]), "acts"],
    ], tokens, "No key was made yet. Once there is one, every request needs one."),
    h("h2", {}, "A new key"),
    open.length
      ? h("div", { class: "sheet" }, create)
      : h("p", {}, "Make an ", h("a", { href: "#accounts" }, "account"), " first."),
  ];
}
