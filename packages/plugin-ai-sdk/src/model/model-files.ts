import { type EngineContext, type FilePart, RuntimeError } from '@worker-runtime/core';
import { fileText, includesMediaType, TEXT_MEDIA_TYPES } from '@worker-runtime/core/plugin-kit';
import type { FilePart as FileContentPart, ModelMessage, ProviderMetadata, TextPart } from 'ai';
import type { TakenFiles } from '../taken-files.ts';

/**
 * A file in a message that is not sent yet: `data` is its digest. The AI SDK has no such part, so that `ModelFiles` replaces
 * each of them before a request.
 */
export interface StoredFilePart extends FileContentPart {
  readonly data: string;
  readonly sizeBytes: number;
}

/** Returns a file of the log as a part of a message. */
export const storedFilePart = (
  { digest, mediaType, sizeBytes, name }: FilePart,
  options: { readonly providerOptions?: ProviderMetadata } = {},
): StoredFilePart => ({
  type: 'file',
  data: digest,
  mediaType,
  sizeBytes,
  ...(name !== undefined && { filename: name }),
  ...options,
});

export const isStoredFile = (part: object): part is StoredFilePart => 'sizeBytes' in part;

/** Describes a file without its bytes, for a model or a summary. */
export const storedFileText = (
  { filename: name, mediaType, sizeBytes }: StoredFilePart,
  remark?: string,
): string => fileText({ mediaType, sizeBytes, ...(name !== undefined && { name }) }, remark);

const isText = (mediaType: string): boolean => includesMediaType(TEXT_MEDIA_TYPES, mediaType);

/** The most bytes of files in one request. The newest files are sent. Anthropic takes 32 MB, of which base64 is a third. */
const REQUEST_BYTES = 20_971_520;

/** The tokens of an image in a request. Providers reduce larger ones to about this. */
const IMAGE_TOKENS = 1_600;
/** The bytes of a document or a recording that are one token, roughly. */
const BYTES_PER_TOKEN = 10;
const BYTES_PER_TEXT_TOKEN = 4;

/** The first bytes of the formats that providers decode. They refuse the whole request if a file is not what it seems. */
const SIGNATURES: Readonly<Record<string, RegExp>> = {
  'image/png': /^\x89PNG/,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8/,
  'image/webp': /^RIFF....WEBP/s,
  'application/pdf': /%PDF-/,
};

const isWhatItSeems = (mediaType: string, bytes: Uint8Array): boolean =>
  SIGNATURES[mediaType]?.test(Buffer.from(bytes.subarray(0, 1_024)).toString('latin1')) ?? true;

/** Returns the files in messages, in order. */
const storedParts = (messages: readonly ModelMessage[]): readonly StoredFilePart[] =>
  messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content.filter(isStoredFile)));

/** Returns messages with some of their files replaced. */
const withReplaced = (
  messages: readonly ModelMessage[],
  replaced: ReadonlyMap<object, FileContentPart | TextPart>,
): ModelMessage[] =>
  messages.map((message) =>
    typeof message.content === 'string' || !message.content.some((part) => replaced.has(part))
      ? message
      : ({
          ...message,
          content: message.content.map((part) => replaced.get(part) ?? part),
        } as ModelMessage),
  );

/** The files of a conversation as a model gets them. */
export class ModelFiles {
  readonly #context: Pick<EngineContext, 'getFile'>;
  readonly #taken: TakenFiles;

  constructor(context: Pick<EngineContext, 'getFile'>, taken: TakenFiles) {
    this.#context = context;
    this.#taken = taken;
  }

  /** Returns the messages with a description in place of each file that is not sent: the model cannot take it, or it is too old. */
  selected(messages: readonly ModelMessage[]): ModelMessage[] {
    const replaced = new Map<StoredFilePart, TextPart>();
    let bytes = 0;
    for (const part of storedParts(messages).toReversed()) {
      const refusal = this.#refusal(part);
      if (refusal === null && bytes + part.sizeBytes <= REQUEST_BYTES) bytes += part.sizeBytes;
      else replaced.set(part, { type: 'text', text: storedFileText(part, refusal ?? 'not shown again') });
    }
    return withReplaced(messages, replaced);
  }

  /** Returns messages from `selected` with the bytes of their files. @throws STORE_UNAVAILABLE · EXECUTION_LOST */
  async loaded(messages: readonly ModelMessage[]): Promise<ModelMessage[]> {
    const loaded = new Map<StoredFilePart, FileContentPart | TextPart>();
    for (const part of storedParts(messages)) loaded.set(part, await this.#load(part));
    return withReplaced(messages, loaded);
  }

  /** True if the model can take a file. */
  takes(file: Pick<FilePart, 'mediaType' | 'sizeBytes'>): boolean {
    return this.#refusal(file) === null;
  }

  /** Returns why a model does not get a file, or null. */
  #refusal({ mediaType, sizeBytes }: Pick<FilePart, 'mediaType' | 'sizeBytes'>): string | null {
    if (isText(mediaType)) return null;
    if (!includesMediaType(this.#taken.mediaTypes, mediaType)) return 'of a type that you cannot read';
    return sizeBytes > this.#taken.fileBytes ? 'too large for you' : null;
  }

  async #load(part: StoredFilePart): Promise<FileContentPart | TextPart> {
    const { data: digest, sizeBytes: _, ...rest } = part;
    const text = (written: string): TextPart => ({ type: 'text', text: written });
    try {
      const { bytes } = await this.#context.getFile(digest);
      if (isText(part.mediaType))
        return text(`${storedFileText(part)}\n${new TextDecoder().decode(bytes).toWellFormed()}`);
      // A provider would refuse every request with it, also those of later runs.
      if (!isWhatItSeems(part.mediaType, bytes)) return text(storedFileText(part, 'damaged'));
      return { ...rest, data: bytes };
    } catch (error) {
      const { code } = RuntimeError.from(error);
      if (code !== 'FILE_NOT_FOUND' && code !== 'STORE_CORRUPT') throw error;
      return text(storedFileText(part, 'lost'));
    }
  }
}

/** Estimates the tokens of the files in messages from `selected`. */
export const fileTokens = (messages: readonly ModelMessage[]): number => {
  let tokens = 0;
  for (const { mediaType, sizeBytes } of storedParts(messages))
    tokens += mediaType.startsWith('image/')
      ? IMAGE_TOKENS
      : Math.ceil(sizeBytes / (isText(mediaType) ? BYTES_PER_TEXT_TOKEN : BYTES_PER_TOKEN));
  return tokens;
};
