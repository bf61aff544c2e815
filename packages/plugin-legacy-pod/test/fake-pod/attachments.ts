import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from './disk.ts';

/** Returns the files that an input refers to, as items for the model. Sends an alert for a file that cannot be read. */
export const attachmentsOf = (
  input: readonly Json[],
  workspace: string,
  alert: (message: string) => void,
): readonly Json[] =>
  input.flatMap((segment): readonly Json[] => {
    if (segment.kind === 'unknown') alert('an input segment of an unknown kind');
    if (segment.kind !== 'file_ref') return [];
    const path = String(segment.path);
    try {
      const file = join(workspace, path);
      if (statSync(file).size > 262_144) throw new Error('it is too large');
      const body = `[File: ${path}]\n${readFileSync(file, 'utf8')}`;
      return [{ kind: 'file_attachment', path, body }];
    } catch (error) {
      alert(`cannot attach ${join(workspace, path)}: ${(error as Error).message}`);
      return [];
    }
  });

/** Returns the text of an input, as the model reads it. */
export const textOf = (input: readonly Json[]): string =>
  input
    .map(({ kind, content, path, slug }) => {
      if (kind === 'file_ref') return `@${String(path)}`;
      if (kind === 'knowledge_ref') return `#${String(slug)}`;
      if (kind === 'text' || kind === 'paste') return String(content);
      return '[unknown input segment]';
    })
    .join('');
