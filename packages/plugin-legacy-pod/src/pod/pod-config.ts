import { isAbsolute } from 'node:path';
import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { isPodName } from '../records/pod-name.ts';
import { isObject, textOrNullAt } from '../records/record-fields.ts';

const ROLES = ['intake', 'orchestrator', 'coder', 'reviewer'];

/** The config of a creation request. */
export type PodRequest =
  | {
      readonly kind: 'spawn';
      readonly workspace: string;
      readonly cwd: string | null;
      readonly profile: string | null;
      readonly role: string | null;
    }
  /** `ref` is a reference from the list of pods. */
  | { readonly kind: 'adopt'; readonly ref: string };

/** The facts about its pod that a Worker keeps in its private record. */
export interface PodConfig {
  readonly name: string;
  readonly workspace: string;
  readonly cwd: string;
  readonly profile: string | null;
  readonly role: string | null;
  /** True if the pod existed before its Worker. */
  readonly isAdopted: boolean;
}

const refuse = (key: string, message: string): never => {
  throw new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} ${message}`, {
    details: { issues: [{ pointer: `/config/${key}`, message }] },
  });
};

const pathAt = (config: JsonObject, key: string): string | null => {
  const value = config[key];
  if (value === undefined) return null;
  if (typeof value !== 'string' || !isAbsolute(value) || value.includes('\0'))
    return refuse(key, 'must be an absolute path');
  return value;
};

const wordAt = (config: JsonObject, key: string): string | null => {
  const value = config[key];
  if (value === undefined) return null;
  // The program would read a value that begins with a dash as an option.
  if (typeof value !== 'string' || !/^[^\0-][^\0]{0,255}$/.test(value))
    return refuse(key, 'must be a string of 1 to 256 characters that does not begin with "-"');
  return value;
};

/** Reads the name of a profile. A path is refused: a profile that a client wrote would decide what its pod may do. */
const profileAt = (config: JsonObject): string | null => {
  const profile = wordAt(config, 'profile');
  return profile !== null && /[/\\]|^\.+$/.test(profile)
    ? refuse('profile', 'must be the name of a profile, not a path')
    : profile;
};

/** Reads the config of a creation request. @throws CONFIG_UNSUPPORTED it has an unknown key or an invalid value */
export const podRequest = (config: JsonObject): PodRequest => {
  const known = 'adopt' in config ? ['adopt'] : ['workspace', 'cwd', 'profile', 'role'];
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown !== undefined) refuse(unknown, `is not supported; the supported keys are ${known.join(', ')}`);
  if ('adopt' in config)
    return {
      kind: 'adopt',
      ref: wordAt(config, 'adopt') ?? refuse('adopt', 'must be a reference from the list of pods'),
    };
  const role = wordAt(config, 'role');
  if (role !== null && !ROLES.includes(role)) refuse('role', `must be one of ${ROLES.join(', ')}`);
  return {
    kind: 'spawn',
    workspace: pathAt(config, 'workspace') ?? refuse('workspace', 'is required'),
    cwd: pathAt(config, 'cwd'),
    profile: profileAt(config),
    role,
  };
};

export const encodePodConfig = (pod: PodConfig): JsonObject => ({ pod: { ...pod } });

/** Reads the config of a Worker. Returns null if the plugin has not resolved it. */
export const decodePodConfig = (config: JsonObject): PodConfig | null => {
  const pod = config.pod;
  if (!isObject(pod) || Object.keys(config).length !== 1) return null;
  const [name, workspace, cwd] = [
    textOrNullAt(pod, 'name'),
    textOrNullAt(pod, 'workspace'),
    textOrNullAt(pod, 'cwd'),
  ];
  if (name === null || !isPodName(name) || workspace === null || cwd === null) return null;
  return {
    name,
    workspace,
    cwd,
    profile: textOrNullAt(pod, 'profile'),
    role: textOrNullAt(pod, 'role'),
    isAdopted: pod.isAdopted === true,
  };
};
