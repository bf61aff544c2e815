import type { Capabilities, EngineCapabilities } from './capabilities.ts';
import type { Severity } from './event.ts';
import type { JsonObject } from './json.ts';
import type { Limits } from './limits.ts';
import type { StoredSize, WorkerStatus } from './worker.ts';

export type RuntimeStatus = 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** A problem that the runtime survived. */
export interface Diagnostic {
  /** Counts from 1 since the start of the runtime. */
  readonly id: number;
  readonly time: string;
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
  readonly worker: string | null;
  readonly details: JsonObject;
  /** The id under which the operator's log has the cause. */
  readonly correlationId: string;
}

/** The runtime itself: status, versions, engines, limits and counts. */
export interface RuntimeSummary {
  readonly runtimeId: string;
  readonly displayName: string | null;
  readonly status: RuntimeStatus;
  readonly versions: { readonly runtime: string; readonly protocol: number; readonly store: number };
  /** The bytes are those of all Workers together. */
  readonly store: {
    readonly kind: string;
    readonly durable: boolean;
    readonly healthy: boolean;
  } & StoredSize;
  readonly engines: readonly {
    readonly name: string;
    readonly capabilities: EngineCapabilities;
    /** A JSON Schema of the config, if the engine has one. */
    readonly configSchema?: JsonObject;
  }[];
  readonly capabilities: Capabilities;
  readonly limits: Limits;
  readonly workers: { readonly total: number } & Readonly<Record<WorkerStatus, number>>;
  /** The number of diagnostics that can be read. */
  readonly diagnostics: number;
  readonly startedAt: string;
}

export interface BundleInfo {
  readonly id: string;
  readonly digest: string;
}
