import { includesMediaType } from '@worker-runtime/core/plugin-kit';
import type { ProviderOptions } from './options.ts';

/** The files that a model takes as they are. Text is sent as text and needs no entry. */
export interface TakenFiles {
  readonly mediaTypes: readonly string[];
  /** The largest file in bytes. */
  readonly fileBytes: number;
}

/** The files that a provider can be sent. If a Worker configures none, its model takes all of them, or none. */
const PROVIDER_FILES: Readonly<
  Record<ProviderOptions['type'], TakenFiles & { readonly isDefault: boolean }>
> = {
  // All its models take the same files.
  anthropic: {
    mediaTypes: ['application/pdf', 'image/gif', 'image/jpeg', 'image/png', 'image/webp'],
    // 5 MB as base64
    fileBytes: 3_750_000,
    isDefault: true,
  },
  'openai-compatible': {
    mediaTypes: ['application/pdf', 'audio/mp3', 'audio/mpeg', 'audio/wav', 'image/*'],
    fileBytes: Number.MAX_SAFE_INTEGER,
    isDefault: false,
  },
  embedded: { mediaTypes: ['*/*'], fileBytes: Number.MAX_SAFE_INTEGER, isDefault: false },
};

/** Returns those files that a provider can be sent and that a Worker is configured for. */
export const takenFiles = (
  type: ProviderOptions['type'],
  configured: readonly string[] | undefined,
): TakenFiles => {
  const { mediaTypes, fileBytes, isDefault } = PROVIDER_FILES[type];
  if (!configured) return { mediaTypes: isDefault ? mediaTypes : [], fileBytes };
  const narrower = (pattern: string, one: string): readonly string[] =>
    includesMediaType([pattern], one) ? [one] : includesMediaType([one], pattern) ? [pattern] : [];
  const taken = configured.flatMap((pattern) => mediaTypes.flatMap((one) => narrower(pattern, one)));
  return { mediaTypes: [...new Set(taken)], fileBytes };
};
