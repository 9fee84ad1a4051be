// What worker and caller share. The packages are in the cache folder and not beside this file, so they are looked up from there.

import { createRequire } from "node:module";

export const bullmq = createRequire(process.env.PEER_MODULES + "/")("bullmq");
export const NAME = "bench";

const { hostname, port } = new URL(process.env.PEER_REDIS);
export const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
