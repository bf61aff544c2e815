import { dbos } from './dbos.ts';
import { embeddedFsStore } from './fs-store.ts';
import { servedFsStore } from './fs-store-over-http.ts';
import { langGraph } from './langgraph.ts';
import type { Peer } from './peer.ts';
import { embeddedPostgresStore } from './postgres-store.ts';
import { rawPostgres } from './raw-postgres.ts';
import { redis } from './redis.ts';
import { restate } from './restate.ts';

export const PEERS: readonly Peer[] = [
  embeddedFsStore,
  servedFsStore,
  embeddedPostgresStore,
  redis,
  rawPostgres,
  restate,
  dbos,
  langGraph,
];
