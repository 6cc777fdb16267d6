// SPDX-License-Identifier: Apache-2.0
// Times, lengths and sizes as people read them.

import { h } from "./dom.js";

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const numbers = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });

export function when(seconds, none = "never") {
  if (seconds === null || seconds === undefined) return none;
  const date = new Date(seconds * 1000);
  return h("time", { datetime: date.toISOString() }, moments.format(date));
}

export function length(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function size(bytes) {
  for (const [unit, one] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= one) return `${(bytes / one).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

export const count = (number) => numbers.format(number);
export const credits = (number) => (number === null ? "unlimited" : numbers.format(number));
export const mono = (text) => h("code", {}, text);
