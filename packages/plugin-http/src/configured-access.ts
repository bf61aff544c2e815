import { type Logger, RuntimeError } from '@worker-runtime/core';
import { WatchedFile } from '@worker-runtime/core/plugin-kit';
import { type Access, type AudienceOf, TokenAccess } from './access/access.ts';
import { readIssuerFile } from './access/issuers.ts';
import { assertDistinct, type Token } from './access/token.ts';
import { readTokenFile } from './access/token-file.ts';
import { type HttpOptions, resolveOptions } from './options.ts';

/** The access of the options `tokens`, `tokenFile` and `issuerFile`, which follows its files. */
export class ConfiguredAccess {
  readonly #options: HttpOptions;
  readonly #access: TokenAccess;
  readonly #files: WatchedFile[] = [];

  private constructor(options: HttpOptions, audienceOf: AudienceOf) {
    this.#options = options;
    this.#access = new TokenAccess([], audienceOf);
  }

  /** Reads the files, and follows them until `close`. @throws INVALID_REQUEST a file cannot be read, or is not valid */
  static async read(options: HttpOptions, audienceOf: AudienceOf, log: Logger): Promise<ConfiguredAccess> {
    const configured = new ConfiguredAccess(options, audienceOf);
    // before the files are read, so that no change is missed
    configured.#watch(log);
    try {
      await configured.#readTokens();
      await configured.#readIssuers();
    } catch (error) {
      configured.close();
      throw error;
    }
    return configured;
  }

  get access(): Access {
    return this.#access;
  }

  /**
   * Reads both files again, as happens by itself when they change. Streams of a token that is gone end. A file that is not valid is
   * logged and changes nothing. Resolves when both are read.
   */
  async reload(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.readAgain()));
  }

  /** Follows the files no longer. */
  close(): void {
    for (const file of this.#files.splice(0)) file.close();
  }

  #watch(log: Logger): void {
    const { tokenFile, issuerFile } = resolveOptions(this.#options);
    if (tokenFile !== null)
      this.#files.push(new WatchedFile(tokenFile, 'tokens', () => this.#readTokens(), log));
    if (issuerFile !== null)
      this.#files.push(new WatchedFile(issuerFile, 'issuers', () => this.#readIssuers(), log));
  }

  async #readTokens(): Promise<object> {
    const { tokens, tokenFile } = resolveOptions(this.#options);
    if (tokenFile === null) return this.#access.replaceTokens(tokens);
    const all: readonly Token[] = [...tokens, ...(await readTokenFile(tokenFile))];
    assertDistinct(all, 'The list of http.tokens and http.tokenFile together');
    return this.#access.replaceTokens(all);
  }

  async #readIssuers(): Promise<object> {
    const { issuerFile } = resolveOptions(this.#options);
    this.#access.replaceIssuers(issuerFile === null ? null : await readIssuerFile(issuerFile));
    return {};
  }
}

/**
 * Returns the access of the options `tokens`, `tokenFile` and `issuerFile`, for a server of several runtimes. `runtimeIdOf` returns the id of
 * the runtime that a path names, or null. A signed token is valid for requests about its runtime alone.
 * @throws INVALID_REQUEST a file cannot be read, or is not valid
 */
export const readAccess = (
  options: HttpOptions,
  runtimeIdOf: (name: string) => string | null,
  log: Logger,
): Promise<ConfiguredAccess> => {
  const audienceOf: AudienceOf = ({ url = '' }) => {
    const [, name] = /^\/v1\/runtimes\/([A-Za-z0-9._-]{1,64})(?=[/?]|$)/.exec(url) ?? [];
    const runtimeId = name === undefined ? null : runtimeIdOf(name);
    if (runtimeId !== null) return runtimeId;
    throw new RuntimeError('UNAUTHENTICATED', 'A signed token is for one runtime, which the path must name');
  };
  return ConfiguredAccess.read(options, audienceOf, log);
};
