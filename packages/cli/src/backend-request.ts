import { EXIT, Failure, type Problem, usageError } from './failure.ts';

/** The JSON body of an answer. */
export type Answer = Readonly<Record<string, unknown>>;

/** Turns the body of a refusal into a failure. */
const refusalOf = (answer: Answer, url: string): Failure => {
  if (typeof answer.code !== 'string')
    return new Failure(EXIT.failed, `the server at ${url} is not a backend; check --url`, {
      code: 'VERSION_UNSUPPORTED',
    });
  const { code, detail, details, retryable, correlationId } = answer as unknown as Problem;
  return new Failure(EXIT.refused, `${code}: ${detail}`, { code, details, retryable, correlationId });
};

/** Sends a request to a backend, and returns the body of its answer. @throws Failure it does not answer, or refuses */
export const requestOf = async (
  url: string,
  method: string,
  body?: object,
  token?: string,
): Promise<Answer> => {
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    throw usageError(`--url must be an address such as https://agents.example, not "${url}"`);
  let status: number;
  let content: Answer;
  try {
    const answer = await fetch(url, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    status = answer.status;
    content = status === 204 ? {} : ((await answer.json()) as Answer);
  } catch (cause) {
    throw new Failure(EXIT.notReachable, `no backend answers at ${url}`, { cause });
  }
  if (status >= 400) throw refusalOf(content, url);
  return content;
};
