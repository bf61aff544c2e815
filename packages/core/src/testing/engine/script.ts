import type { Answer, EngineContext, EngineOutput, Question, Run, RunInput } from '../../contracts/engine.ts';
import type { CreateWorker } from '../../contracts/worker.ts';

/**
 * A step that waits or throws. If the signal of the run (of the execution, for an attach or a detach) aborts,
 * `gate` and `hang` throw the signal's reason, unless `ignoresAbort` is true.
 */
export type WaitStep =
  /** Waits until the test opens the gate with this name. */
  | { readonly type: 'gate'; readonly gate: string; readonly ignoresAbort?: boolean }
  /** Waits without end. */
  | { readonly type: 'hang'; readonly ignoresAbort?: boolean }
  /** Waits until the signal aborts, then continues with the next step. */
  | { readonly type: 'abort' }
  /** Throws the error. */
  | { readonly type: 'throw'; readonly error: unknown };

/** One step of a run: an output (an array is yielded as one batch), a wait, or a call of the run or its context. */
export type ScriptStep =
  | EngineOutput
  | readonly EngineOutput[]
  | WaitStep
  /** Opens a request, waits for its answer, and continues with the steps that `reply` returns. */
  | {
      readonly type: 'ask';
      readonly question: Question;
      readonly reply?: (answer: Answer) => readonly ScriptStep[];
    }
  /** Ends the run, and returns these outputs instead of yielding them. */
  | { readonly type: 'return'; readonly outputs: EngineOutput | readonly EngineOutput[] }
  /** Yields the same output again and again until the run's signal aborts; without end if `ignoresAbort` is true. */
  | { readonly type: 'flood'; readonly output: EngineOutput; readonly ignoresAbort?: boolean }
  /** Calls `beginRun` of the context. */
  | { readonly type: 'begin-run'; readonly input?: RunInput }
  /** Calls `createChild` of the context. The child's id is added to `ScriptedRun.children`. */
  | { readonly type: 'create-child'; readonly spec: CreateWorker }
  /** Awaits a function, such as one that stores a file, and continues with the steps that it resolves with. */
  | {
      readonly type: 'call';
      readonly call: (run: Run, context: EngineContext) => Promise<readonly ScriptStep[]>;
    }
  /** Calls `lost` of the context. */
  | { readonly type: 'lost'; readonly error?: unknown };

/** The steps of each run: found by the text of its input, or computed when the run begins. */
export type Script =
  | Readonly<Record<string, readonly ScriptStep[]>>
  | ((run: Run, context: EngineContext) => readonly ScriptStep[]);
