// SPDX-License-Identifier: Apache-2.0
import { forget, get, post } from "../api.js";
import { button, field, form, h, sure } from "../dom.js";
import { when } from "../format.js";

function left(told) {
  forget();
  dispatchEvent(new CustomEvent("harken-left", { detail: told }));
}

export default async function security() {
  const session = await get("session");
  const secret = (name, complete) => h("input", {
    type: "password", name, required: true, autocomplete: complete, minlength: complete === "new-password" ? "12" : null,
  });
  return [
    h("div", { class: "sheet" },
      h("p", {}, "This session began ", when(session.created), ` from ${session.from}, and ends `, when(session.expires), "."),
      button("Log out everywhere", async () => {
        if (!await sure("End every session, this one too?", "Log out everywhere")) return;
        await post("logout-everywhere");
        left("Every session has ended.");
      }, { kind: "danger" })),
    h("h2", {}, "Another password"),
    h("div", { class: "sheet" }, form([
      field("Present password", secret("current", "current-password")),
      field("New password", secret("new", "new-password"), "12 characters or more."),
      field("New password again", secret("again", "new-password")),
    ], "Change password", async (data) => {
      if (data.get("new") !== data.get("again")) throw new Error("The new passwords are not the same.");
      await post("password", { current: data.get("current"), new: data.get("new") });
      left("The password was changed, and every session has ended. Log in with the new one.");
    })),
  ];
}
