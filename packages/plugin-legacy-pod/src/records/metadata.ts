import { setTimeout as delay } from 'node:timers/promises';
import type { PodFiles } from './pod-files.ts';
import { isObject, objectAt, objectsAt, parseObject, textAt, textOrNullAt } from './record-fields.ts';
import { type ScopeRule, scopeRule } from './registry.ts';

/** The facts about a pod that the old program keeps. All of them are private. */
export interface PodMetadata {
  readonly name: string;
  readonly session: string | null;
  /** Null for a pod that never ran. */
  readonly segment: string | null;
  readonly workspace: string | null;
  readonly children: readonly string[];
  readonly peers: readonly string[];
  readonly scope: readonly ScopeRule[];
  readonly model: string | null;
}

const RETRIES = 4;
const RETRY_MS = 50;

const nameOf = (raw: { readonly [key: string]: unknown }): string =>
  typeof raw.pod_name === 'string' ? raw.pod_name : '';

/**
 * Reads the metadata of a pod. Returns null if the pod has none, and `corrupt` if it stays unreadable. The old program
 * does not write it atomically, so a file that does not parse is read again.
 */
export const readMetadata = async (
  files: PodFiles,
  name: string,
): Promise<PodMetadata | 'corrupt' | null> => {
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    if (attempt > 0) await delay(RETRY_MS);
    const bytes = await files.metadata(name);
    if (bytes === null) return null;
    const raw = parseObject(bytes.toString('utf8'));
    if (!raw || textAt(raw, 'pod_name') !== name) continue;
    const active = objectAt(raw, 'active') ?? {};
    const manifest = objectAt(raw, 'resolved_manifest_snapshot') ?? {};
    const model = objectAt(manifest, 'model') ?? {};
    const scope = objectAt(manifest, 'scope') ?? {};
    return {
      name,
      session: textOrNullAt(active, 'session_id'),
      segment: textOrNullAt(active, 'segment_id'),
      workspace: textOrNullAt(raw, 'workspace_root'),
      children: [...objectsAt(raw, 'spawned_children'), ...objectsAt(raw, 'reclaimed_children')].map(nameOf),
      peers: objectsAt(raw, 'peers').map(nameOf),
      scope: objectsAt(scope, 'allow').filter(isObject).map(scopeRule),
      model: textOrNullAt(model, 'ref') ?? textOrNullAt(model, 'model_id'),
    };
  }
  return 'corrupt';
};
