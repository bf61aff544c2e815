import type { Answer, EngineContext, EngineOutput, Question, Run, RunInput } from '../../contracts/engine.ts';
import type { CreateWorker } from '../../contracts/runtime-api.ts';

/**
 * What holds an engine up. All but `abort` end with the signal's reason when the engine is told to end, unless they
 * ignore that.
 */
export type WaitStep =
  /** Waits until the test opens the gate of this name. */
  | { readonly type: 'gate'; readonly gate: string; readonly ignoresAbort?: boolean }
  /** Waits for ever. */
  | { readonly type: 'hang'; readonly ignoresAbort?: boolean }
  /** Waits until the engine is told to end, then goes on with the next step. */
  | { readonly type: 'abort' }
  | { readonly type: 'throw'; readonly error: unknown };

/** One step of a run: an output (an array is yielded as one), something to wait for, or a call of the context. */
export type ScriptStep =
  | EngineOutput
  | readonly EngineOutput[]
  | WaitStep
  /** Asks, and goes on with the steps that the answer leads to. */
  | {
      readonly type: 'ask';
      readonly question: Question;
      readonly reply?: (answer: Answer) => readonly ScriptStep[];
    }
  /** Yields the same over and over: until it is told to end, or without listening. */
  | { readonly type: 'flood'; readonly output: EngineOutput; readonly ignoresAbort?: boolean }
  | { readonly type: 'begin-run'; readonly input?: RunInput }
  | { readonly type: 'create-child'; readonly spec: CreateWorker }
  | { readonly type: 'lost'; readonly error?: unknown };

/** The steps of a run: by the text of its input, or worked out from it. */
export type Script =
  | Readonly<Record<string, readonly ScriptStep[]>>
  | ((run: Run, context: EngineContext) => readonly ScriptStep[]);
