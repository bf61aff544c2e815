import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '@worker-runtime/core';
import type { PodFiles } from './pod-files.ts';
import { numberAt, objectsAt, parseObject, textAt, textOrNullAt } from './record-fields.ts';

/** A permission of a pod in a directory. */
export interface ScopeRule {
  readonly target: string;
  readonly permission: 'read' | 'write';
  readonly recursive: boolean;
}

/** An entry of the registry that all running pods of a user share. */
export interface RegistryRow {
  readonly name: string;
  readonly pid: number;
  readonly allow: readonly ScopeRule[];
  readonly deny: readonly ScopeRule[];
  readonly delegatedFrom: string | null;
  /** Null if the pod's parent has announced the pod and it has not started yet. */
  readonly segment: string | null;
}

export const scopeRule = (raw: JsonObject): ScopeRule => ({
  target: textAt(raw, 'target'),
  permission: raw.permission === 'write' ? 'write' : 'read',
  recursive: raw.recursive !== false,
});

const row = (raw: JsonObject): RegistryRow => ({
  name: textAt(raw, 'pod_name'),
  pid: numberAt(raw, 'pid'),
  allow: objectsAt(raw, 'scope_allow').map(scopeRule),
  deny: objectsAt(raw, 'scope_deny').map(scopeRule),
  delegatedFrom: textOrNullAt(raw, 'delegated_from'),
  segment: textOrNullAt(raw, 'segment_id'),
});

const RETRIES = 8;
const RETRY_MS = 25;

/**
 * Reads the rows of the registry. Its writers replace it in place under a lock that Node does not support. An empty or
 * incomplete file is therefore read again. Returns null if it stays unreadable.
 */
export const readRegistry = async (files: PodFiles): Promise<readonly RegistryRow[] | null> => {
  let wasEmpty = false;
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    if (attempt > 0) await delay(RETRY_MS);
    const bytes = await files.registry();
    if (bytes === null) return [];
    if (bytes.length === 0) {
      if (wasEmpty) return [];
      wasEmpty = true;
      continue;
    }
    const table = parseObject(bytes.toString('utf8'));
    if (table)
      return objectsAt(table, 'allocations')
        .map(row)
        .filter(({ name }) => name !== '');
  }
  return null;
};
