// SPDX-License-Identifier: Apache-2.0
import { get } from "../api.js";
import { field, form, h, select, table } from "../dom.js";
import { count, length } from "../format.js";

const FIGURES = [
  ["Completed", (row) => count(row.completed), "number"],
  ["Failed", (row) => count(row.failed), "number"],
  ["Cancelled", (row) => count(row.cancelled), "number"],
  ["Audio", (row) => length(row.seconds), "number"],
  ["Credits", (row) => count(row.credits), "number"],
];

let days = "30";

export default async function usage({ redraw }) {
  const told = await get(`usage?days=${days}`);
  const names = Object.fromEntries(told.accounts.map((row) => [row.account, row.name ?? row.account]));
  const choose = form([
    field("Of the last", select("days", [["1", "day"], ["7", "7 days"], ["30", "30 days"], ["365", "year"]], days)),
  ], "Show", async (data) => {
    days = data.get("days");
    await redraw();
  }, { kind: "row" });
  return [
    choose,
    table("In all", [["Account", (row) => names[row.account]], ...FIGURES], told.accounts),
    h("h2", {}, "By day"),
    table("Days of UTC", [["Day", (row) => row.day], ["Account", (row) => names[row.account]], ...FIGURES], told.days),
  ];
}
