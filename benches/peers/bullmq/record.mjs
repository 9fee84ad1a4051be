// Which job began when, kept in memory and written when the runner asks: nothing of it reaches Redis or the disk during a measurement.

import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const all = [];
let question = 1;

export function began(number) {
  all.push(`${number} ${nowUs()}`);
}

// Tells that this process records, and answers what the runner asks from now on.
export function start() {
  writeFileSync(path("ready"), "");
  setInterval(answer, 50);
}

export function nowUs() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

// Renamed when whole, so that the runner never reads half of it.
function answer() {
  if (!existsSync(join(process.env.PEER_REPORT, `ask-${question}`))) return;
  writeFileSync(path("part"), all.join("\n"));
  renameSync(path("part"), path(`ran-${question}`));
  question += 1;
}

function path(name) {
  return join(process.env.PEER_REPORT, `${name}-${process.pid}`);
}
