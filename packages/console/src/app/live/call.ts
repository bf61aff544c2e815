import { serverUrl } from './backend.ts';

/** The refusal of a request. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, detail: unknown) {
    super(typeof detail === 'string' ? detail : `The server answered with ${status}`);
    this.status = status;
  }
}

/** Sends a request about the server itself, and returns its answer. @throws Refusal */
export const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
  const answer = await fetch(new URL(path, serverUrl), {
    method,
    cache: 'no-store',
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });
  const text = await answer.text();
  const content = text === '' ? undefined : JSON.parse(text);
  if (!answer.ok) throw new Refusal(answer.status, content?.detail);
  return content as T;
};
