import type { ContentBlock, PromptCapabilities } from '@agentclientprotocol/sdk';
import { type EngineContext, type FilePart, type RunInput, RuntimeError } from '@worker-runtime/core';
import { fileText, includesMediaType, TEXT_MEDIA_TYPES } from '@worker-runtime/core/plugin-kit';

/** Returns the media types of the files that an agent takes. Each takes text. */
export const acceptedTypes = ({ image, audio, embeddedContext }: PromptCapabilities): readonly string[] => [
  ...TEXT_MEDIA_TYPES,
  ...(image ? ['image/*'] : []),
  ...(audio ? ['audio/*'] : []),
  ...(embeddedContext ? ['*/*'] : []),
];

const textBlock = (text: string): ContentBlock => ({ type: 'text', text });

const fileBlock = (file: FilePart, bytes: Uint8Array, content: PromptCapabilities): ContentBlock => {
  const { mediaType, name, digest } = file;
  const isText = includesMediaType(TEXT_MEDIA_TYPES, mediaType);
  const data = (): string => Buffer.from(bytes).toString('base64');
  const text = (): string => new TextDecoder().decode(bytes).toWellFormed();
  if (content.image && mediaType.startsWith('image/'))
    return { type: 'image', data: data(), mimeType: mediaType };
  if (content.audio && mediaType.startsWith('audio/'))
    return { type: 'audio', data: data(), mimeType: mediaType };
  // no path of this machine: the file has none
  const named = { uri: `attachment:///${encodeURIComponent(name ?? digest)}`, mimeType: mediaType };
  if (content.embeddedContext)
    return { type: 'resource', resource: { ...named, ...(isText ? { text: text() } : { blob: data() }) } };
  return textBlock(
    isText ? `${fileText(file)}\n${text()}` : fileText(file, 'of a type that you cannot read'),
  );
};

/**
 * Returns an input as content of a prompt: its texts and files in order.
 * @throws STORE_UNAVAILABLE · EXECUTION_LOST
 */
export const inputBlocks = async (
  input: RunInput | null,
  context: Pick<EngineContext, 'getFile'>,
  content: PromptCapabilities,
): Promise<readonly ContentBlock[]> => {
  const blocks: ContentBlock[] = [];
  const parts = input?.parts ?? [];
  for (const [index, part] of parts.entries()) {
    const last = parts[index - 1]?.type === 'text' ? blocks.at(-1) : undefined;
    if (part.type === 'text' && last?.type === 'text') last.text += `\n${part.text}`;
    else if (part.type === 'text') blocks.push(textBlock(part.text));
    else
      try {
        blocks.push(fileBlock(part, (await context.getFile(part.digest)).bytes, content));
      } catch (error) {
        if (RuntimeError.from(error).code !== 'STORE_CORRUPT') throw error;
        blocks.push(textBlock(fileText(part, 'lost')));
      }
  }
  if (blocks.length === 0) blocks.push(textBlock(''));
  if (input?.role !== 'system') return blocks;
  const [first] = blocks;
  if (blocks.length === 1 && first?.type === 'text')
    return [textBlock(`<system-message>\n${first.text}\n</system-message>`)];
  return [textBlock('<system-message>'), ...blocks, textBlock('</system-message>')];
};
