import type { LanguageModel } from 'ai';

/** A model of the AI SDK 5 or 6. */
export type Sdk6Model = Exclude<LanguageModel, string>;

/** A model of the AI SDK 7, as far as it is used here. */
interface Sdk7Model {
  readonly specificationVersion: 'v4';
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: Sdk6Model['supportedUrls'];
  // A method, so that a model with its own type of the parameter fits.
  doStream(options: never): PromiseLike<{ readonly stream: ReadableStream<unknown> }>;
}

/** A model object of the embedding program, of a provider package for the AI SDK 5, 6 or 7. */
export type EmbeddedModel = Sdk6Model | Sdk7Model;

const SPECIFICATIONS: readonly unknown[] = ['v2', 'v3', 'v4'];

/** True for a model object that can be used. The name of a model is not one: its provider would be unknown. */
export const isEmbeddedModel = (value: unknown): value is EmbeddedModel =>
  typeof value === 'object' &&
  value !== null &&
  'specificationVersion' in value &&
  SPECIFICATIONS.includes(value.specificationVersion) &&
  'doStream' in value &&
  typeof value.doStream === 'function';
