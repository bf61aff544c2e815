import type { Socket } from 'node:net';
import { fileCompletions, listedPods } from './discovery.ts';
import type { Json } from './disk.ts';
import type { FakePod } from './pod.ts';
import { rewindTarget, rewindTargets } from './rewind.ts';

const E1 = 'Pod is already executing a turn';
const E2 = `${E1}; rewind/compact can only run while idle or paused`;
const E3 = 'Pod discovery/control requests are only handled while the Pod is idle or paused';
const PAUSED = 'while the Pod is paused; resume or start a fresh turn first';

/** The methods of a pod in each of its statuses. Only the answer to `list_completions` goes to one client alone. */
export const METHODS: Readonly<Record<string, (pod: FakePod, params: Json, socket: Socket) => void>> = {
  run: (pod, { input }) => {
    if (pod.status === 'running') return pod.error('already_running', E1);
    if (pod.options.script.switches?.refusesOthersBeforeRun)
      pod.error('invalid_request', 'The rewind target is stale');
    void pod.begin('user_send', (input ?? []) as Json[]);
  },
  notify: (pod, { message, auto_run }) => {
    pod.notifications.push({ kind: 'notification', message, body: `[Notification]\n${String(message)}` });
    if (pod.status === 'idle' && auto_run !== false) void pod.begin('notify', null);
  },
  pod_event: (pod, { kind, pod_name }) => {
    if (kind === 'scope_sub_delegated') return;
    const event = { kind, pod_name };
    pod.notifications.push({
      kind: 'pod_event',
      event,
      body: `pod \`${String(pod_name)}\`: ${String(kind)}`,
    });
    if (pod.status === 'idle') void pod.begin('pod_event', null);
  },
  list_rewind_targets: (pod) => {
    if (pod.status === 'running') return pod.error('already_running', E2);
    const targets = rewindTargets(pod.segment ?? '', pod.entries);
    pod.broadcast('event', 'rewind_targets', { head_entries: pod.entries.length, targets });
  },
  rewind_to: (pod, params) => {
    if (pod.status === 'running') return pod.error('already_running', E2);
    if (pod.status === 'paused') return pod.error('invalid_request', `Cannot apply rewind ${PAUSED}`);
    const target = rewindTarget(pod.segment ?? '', pod.entries, params);
    if (!target) return pod.error('invalid_request', 'The rewind target is stale');
    const { segments: input } = pod.entries[target.id.user_input_entry_index] as Json;
    const discarded = pod.entries.length - target.truncate_entries;
    pod.truncate(target.truncate_entries);
    const summary = {
      truncated_to_entries: target.truncate_entries,
      discarded_entries: discarded,
      tool_side_effect_warning: false,
    };
    pod.broadcast('event', 'rewind_applied', { entries: pod.entries, input, summary });
    pod.setStatus('idle');
  },
  list_completions: (pod, { kind, prefix }, socket) => {
    const entries = kind === 'file' ? fileCompletions(pod.options.workspace, String(prefix)) : [];
    socket.write(`${JSON.stringify({ event: 'completions', data: { kind, entries } })}\n`);
  },
  list_pods: (pod) => {
    if (pod.status === 'running') pod.error('already_running', E3);
    else pod.broadcast('event', 'pods_listed', { pods: { pods: listedPods(pod.options.disk) } });
  },
  register_peer: (pod, { name }) => {
    if (pod.status === 'running') pod.error('already_running', E3);
    else pod.broadcast('event', 'peer_registered', { result: { peer: name, source: 'self' } });
  },
  cancel: (pod) => {
    if (pod.status === 'running') pod.interrupt('cancel');
    else if (pod.status === 'idle') pod.error('not_running', 'Pod is not running');
    else {
      pod.closeInterrupted();
      pod.log({ kind: 'paused_turn_abandoned' });
      pod.setStatus('idle');
    }
  },
  pause: (pod) => {
    if (pod.status === 'running') pod.interrupt('pause');
    else if (pod.status === 'idle') pod.error('not_running', 'Pod is not running');
  },
  resume: (pod) => {
    if (pod.status === 'running') pod.error('already_running', E1);
    else if (pod.status === 'idle') pod.error('not_paused', 'Pod is not paused');
    else {
      pod.stop = null;
      pod.setStatus('running');
      void pod.work('(resumed)', -1);
    }
  },
  compact: (pod) => {
    if (pod.status === 'running') pod.error('already_running', E2);
    else if (pod.status === 'paused') pod.error('invalid_request', `Cannot compact ${PAUSED}`);
    else pod.compact();
  },
  shutdown: (pod) => {
    pod.isShuttingDown = true;
    if (pod.status === 'running') pod.interrupt('shutdown');
    else void pod.shutDown();
  },
};
