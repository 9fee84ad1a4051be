// One BullMQ worker: no-op handlers that note which job began when. ../README.md tells why these settings.

import { bullmq, connection, NAME } from "./queue.mjs";
import { began, start } from "./record.mjs";

const CONCURRENCY = 100;

const worker = new bullmq.Worker(NAME, async (job) => began(job.data.number), {
  connection,
  concurrency: CONCURRENCY,
  removeOnComplete: { count: 0 },
});
worker.on("error", (error) => console.error(error));
await worker.waitUntilReady();
start();
