export { type LegacyPods, legacyPod, plugin } from './legacy-pod.ts';
export type { LegacyPodOptions } from './options.ts';
export type { LegacyPod, PodState } from './pod/pod-directory.ts';
