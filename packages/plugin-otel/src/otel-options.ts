import { type TracerProvider, trace } from '@opentelemetry/api';
import { type OptionReader, optional, readOptions } from '@worker-runtime/core/plugin-kit';

export interface OtelOptions {
  /** The provider that makes the spans, samples and exports them. Default: the global provider of the process. */
  readonly tracerProvider?: TracerProvider;
  /** True: spans have the texts of inputs and messages, and the inputs and outputs of tools. Default false. */
  readonly content?: boolean;
}

/** The options with their defaults. */
export interface Settings {
  readonly tracerProvider: TracerProvider;
  readonly content: boolean;
}

const yesOrNo: OptionReader<boolean> = (value, refuse) =>
  value === true || value === 'true'
    ? true
    : value === false || value === 'false'
      ? false
      : refuse('must be true or false');

const isProvider = (value: unknown): value is TracerProvider =>
  typeof value === 'object' && value !== null && 'getTracer' in value;

const provider: OptionReader<TracerProvider> = (value, refuse) =>
  isProvider(value) ? value : refuse('must be a TracerProvider of OpenTelemetry');

/** Reads the options. @throws INVALID_REQUEST an option is unknown or not valid */
export const settingsOf = (options: unknown): Settings => {
  const { tracerProvider, content } = readOptions('otel', options, {
    tracerProvider: optional(provider, undefined),
    content: optional(yesOrNo, false),
  });
  return { tracerProvider: tracerProvider ?? trace.getTracerProvider(), content };
};
