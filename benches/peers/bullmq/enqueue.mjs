// The BullMQ caller: `enqueue FILE` in calls of 1,000, or `pickup FILE` one by one with 20 ms between.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bullmq, connection, NAME } from "./queue.mjs";
import { nowUs } from "./record.mjs";

const BATCH = 1_000;
const PICKUP_EVERY_MS = 20;

const [verb, file] = process.argv.slice(2);
const all = readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const queue = new bullmq.Queue(NAME, { connection });
await queue.waitUntilReady();
console.log(JSON.stringify(await { enqueue, pickup }[verb]()));
await queue.close();

async function enqueue() {
  const began = nowUs();
  for (let at = 0; at < all.length; at += BATCH) {
    await queue.addBulk(all.slice(at, at + BATCH).map((data) => ({ name: "echo", data })));
  }
  return { began_us: began, ended_us: nowUs() };
}

async function pickup() {
  const called = [];
  const acknowledged = [];
  let due = performance.now();
  for (const data of all) {
    await sleep(Math.max(0, due - performance.now()));
    due += PICKUP_EVERY_MS;
    called.push(nowUs());
    await queue.add("echo", data);
    acknowledged.push(nowUs());
  }
  return { called_us: called, acknowledged_us: acknowledged };
}
