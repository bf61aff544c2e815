import type { WorkerEvent } from '@worker-runtime/core';
import { inOrder } from '../parts/in-order.ts';

/** A part of a run that took time. Times are in milliseconds. */
export interface Bar {
  readonly kind: 'step' | 'call' | 'wait';
  readonly name: string;
  readonly seq: number;
  readonly from: number;
  /** Null while it has not ended. */
  readonly to: number | null;
  readonly isFailed: boolean;
}

export interface RunLine {
  readonly run: string;
  readonly seq: number;
  readonly title: string;
  readonly from: number;
  readonly to: number | null;
  readonly outcome: string | null;
  readonly bars: readonly Bar[];
}

interface Draft {
  readonly run: string;
  readonly seq: number;
  title: string;
  readonly from: number;
  to: number | null;
  outcome: string | null;
  readonly bars: Map<string, Bar>;
}

const TITLE_CHARS = 100;

/** Finds the runs in events, with what happened in each: steps, tool calls, and waiting for people. */
export const runLines = (events: readonly WorkerEvent[]): readonly RunLine[] => {
  const inputs = new Map<string, string>();
  const runs = new Map<string, Draft>();
  const close = (draft: Draft | undefined, name: string, at: number, isFailed: boolean): void => {
    const bar = draft?.bars.get(name);
    if (draft && bar) draft.bars.set(name, { ...bar, to: at, isFailed });
  };
  for (const event of events) {
    const at = Date.parse(event.time);
    const { seq, run } = event;
    const draft = runs.get(run ?? '');
    const open = (name: string, kind: Bar['kind'], title: string): void => {
      draft?.bars.set(name, { kind, name: inOrder(title), seq, from: at, to: null, isFailed: false });
    };
    switch (event.type) {
      case 'input.accepted':
        inputs.set(
          event.data.input,
          event.data.parts
            .map((part) => (part.type === 'file' ? `[${part.name ?? part.mediaType}]` : part.text))
            .join(' ')
            .slice(0, TITLE_CHARS),
        );
        break;
      case 'run.started': {
        if (run === undefined) break;
        const title = inputs.get(event.data.input ?? '') ?? 'Begun by the engine';
        runs.set(run, { run, seq, title, from: at, to: null, outcome: null, bars: new Map() });
        break;
      }
      case 'step.started':
        open(
          `step ${event.data.step}`,
          'step',
          `Step ${event.data.step}${event.data.model ? `, ${event.data.model}` : ''}`,
        );
        break;
      case 'step.finished':
        close(draft, `step ${event.data.step}`, at, false);
        break;
      case 'tool.called':
        open(`call ${event.data.call}`, 'call', event.data.title ?? event.data.name);
        break;
      case 'tool.finished':
        close(
          draft,
          `call ${event.data.call}`,
          at,
          event.data.error !== undefined || event.data.denied === true,
        );
        break;
      case 'request.opened':
        open(`ask ${event.data.request}`, 'wait', `Waits: ${event.data.prompt}`);
        break;
      case 'request.resolved':
        close(draft, `ask ${event.data.request}`, at, false);
        break;
      case 'run.finished':
        if (!draft) break;
        draft.to = at;
        draft.outcome = event.data.outcome;
        // what has no end of its own ended with the run
        for (const [name, bar] of draft.bars)
          if (bar.to === null) close(draft, name, at, bar.kind === 'call');
        break;
      default:
    }
  }
  return [...runs.values()].map(({ bars, ...draft }) => ({ ...draft, bars: [...bars.values()] }));
};
