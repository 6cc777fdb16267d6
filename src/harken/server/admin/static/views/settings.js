// SPDX-License-Identifier: Apache-2.0
import { get } from "../api.js";
import { h, table } from "../dom.js";
import { mono } from "../format.js";

export default async function settings() {
  const told = await get("settings");
  const value = (setting) => (setting.value === null ? h("span", { class: "faint" }, "not set") : mono(setting.value));
  return [
    h("p", { class: "faint" }, "As the server was started. Secrets are not shown. Changed ones come first."),
    table("Settings in force", [
      ["Setting", (setting) => mono(setting.name), "name"],
      ["Value", value],
      ["", (setting) => (setting.changed ? h("strong", {}, "changed") : "")],
      ["What it does", (setting) => setting.description],
    ], [...told.settings].sort((one, other) => other.changed - one.changed)),
  ];
}
