import type { WorkerEvent } from '@worker-runtime/core';

export interface NoteText {
  readonly tone: 'quiet' | 'warning' | 'error';
  readonly text: string;
}

/** Returns the text of an event that is shown as a note; null for one that people need not see. */
export const noteText = (event: WorkerEvent): NoteText | null => {
  switch (event.type) {
    case 'worker.created':
      return { tone: 'quiet', text: `Created with the engine ${event.data.engine}` };
    case 'worker.forked':
      return { tone: 'quiet', text: 'Forked here: what follows is of this Worker alone' };
    case 'worker.stopped': {
      const { outcome, reason } = event.data;
      const why = reason === undefined ? '' : `: ${reason}`;
      return outcome === 'detached'
        ? {
            tone: 'warning',
            text: `Stopped at the deadline; the execution was detached and may still work${why}`,
          }
        : { tone: 'quiet', text: `Stopped${why}` };
    }
    case 'worker.resumed':
      return { tone: 'quiet', text: 'Resumed' };
    case 'worker.updated': {
      const { actor: _, configDigest, ...rest } = event.data;
      const changed = [...Object.keys(rest), ...(configDigest === undefined ? [] : ['config'])];
      return { tone: 'quiet', text: `Changed: ${changed.join(', ')}` };
    }
    case 'execution.detached': {
      const { cause, code } = event.data;
      return { tone: 'warning', text: `The execution was detached (${cause}${code ? `, ${code}` : ''})` };
    }
    case 'run.continued':
      return { tone: 'warning', text: `Continued after an interruption, attempt ${event.data.attempt}` };
    case 'diagnostic.recorded': {
      const { severity, code, message } = event.data;
      return { tone: severity === 'info' ? 'quiet' : severity, text: `${message} (${code})` };
    }
    default:
      return null;
  }
};
