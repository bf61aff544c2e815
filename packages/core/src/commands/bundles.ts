import { hash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import type { Clock } from '../contracts/clock.ts';
import type { BundleRef } from '../contracts/event.ts';
import type { WorkerSpec } from '../contracts/hooks.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Page, PageQuery } from '../contracts/page.ts';
import { limitReached, payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { BundleInfo } from '../contracts/runtime-summary.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { DIGEST_PATTERN } from '../id.ts';
import { storeInTime } from '../in-time.ts';
import { decodeBundlesCursor, START } from '../log/cursor.ts';
import type { StoreReads } from '../store-reads.ts';
import { checkBundle } from './requests.ts';

interface Profile {
  readonly engine: string;
  readonly config?: JsonObject;
  /** The only tools that a Worker of this profile may be granted. */
  readonly tools?: readonly string[];
}

/** Returns the digest that names a bundle: `sha256-` and the hex digest of its canonical JSON (RFC 8785). */
export const bundleDigest = (bundle: JsonValue): string =>
  `sha256-${hash('sha256', canonicalJson(bundle), 'hex')}`;

const parsed = (body: Uint8Array): JsonValue | undefined => {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as JsonValue;
  } catch {
    return undefined;
  }
};

/** Stores config bundles. A bundle is named by the digest of its content, so a reference never changes its meaning. */
export class Bundles {
  readonly #store: RuntimeStore;
  readonly #reads: StoreReads;
  readonly #limits: Limits;
  readonly #clock: Clock;
  /**
   * The digests of all bundles that are stored or being stored. Listed once, so that the limit is checked
   * synchronously.
   */
  #digests: Promise<Set<string>> | null = null;

  constructor(store: RuntimeStore, reads: StoreReads, limits: Limits, clock: Clock) {
    this.#store = store;
    this.#reads = reads;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Stores a bundle. @throws BUNDLE_DIGEST_MISMATCH · CONFIG_UNSUPPORTED · PAYLOAD_TOO_LARGE · LIMIT_REACHED */
  async put(digest: string, bundle: JsonValue): Promise<BundleInfo> {
    checkBundle(bundle);
    if (bundleDigest(bundle) !== digest) {
      throw new RuntimeError(
        'BUNDLE_DIGEST_MISMATCH',
        'The digest is not the digest of the canonical JSON of the bundle',
      );
    }
    const body = Buffer.from(canonicalJson(bundle));
    if (body.length > this.#limits.bundleBytes) {
      throw payloadTooLarge('bundleBytes', this.#limits.bundleBytes, 'The bundle is too large');
    }
    const digests = await this.#known();
    if (digests.size >= this.#limits.bundles && !digests.has(digest)) {
      throw limitReached('bundles', this.#limits.bundles, 'The runtime cannot keep more bundles');
    }
    const isNew = !digests.has(digest);
    digests.add(digest);
    try {
      await storeInTime(this.#clock, this.#limits.commitTimeoutMs, this.#store.putBundle({ digest, body }));
    } catch (error) {
      // after any other failure the bundle may still be stored
      if (isNew && RuntimeError.from(error).code === 'STORE_FULL') digests.delete(digest);
      throw error;
    }
    return { id: (bundle as { readonly id: string }).id, digest };
  }

  #known(): Promise<Set<string>> {
    this.#digests ??= this.#reads.bundles().then(
      (digests) => new Set(digests),
      (error: unknown) => {
        this.#digests = null;
        throw error;
      },
    );
    return this.#digests;
  }

  /** @throws BUNDLE_NOT_FOUND · STORE_CORRUPT the stored document does not match its digest */
  async get(digest: string): Promise<JsonObject> {
    const body = DIGEST_PATTERN.test(digest) ? await this.#reads.bundle(digest) : null;
    if (!body) throw new RuntimeError('BUNDLE_NOT_FOUND');
    // the stored document may be damaged: never return one that does not match its digest
    const bundle = parsed(body);
    if (bundle === undefined || bundleDigest(bundle) !== digest)
      throw new RuntimeError('STORE_CORRUPT', 'The stored bundle does not match its digest');
    return bundle as JsonObject;
  }

  /** Returns a page of digests, sorted. @throws CURSOR_INVALID */
  async list({ after }: PageQuery, limit: number): Promise<Page<{ readonly digest: string }>> {
    const before = decodeBundlesCursor(after);
    const digests = await this.#reads.bundles();
    const rest = before === null ? digests : digests.filter((digest) => digest > before);
    const items = rest.slice(0, limit).map((digest) => ({ digest }));
    const asOf = items.at(-1)?.digest ?? after ?? START;
    return { items, next: rest.length > items.length ? asOf : null, asOf };
  }

  /**
   * Returns a spec with its profile applied: the engine of the profile, and its config, which the config of the
   * creation overrides. A profile never grants tools; if it lists tools, the creation may ask for no others.
   * @throws BUNDLE_NOT_FOUND · BUNDLE_DIGEST_MISMATCH the bundle has another id · PROFILE_INVALID ·
   * CONFIG_UNSUPPORTED the profile does not allow a tool
   */
  async resolve(spec: WorkerSpec, ref: BundleRef): Promise<WorkerSpec> {
    const bundle = await this.get(ref.digest);
    if (bundle.id !== ref.id) throw new RuntimeError('BUNDLE_DIGEST_MISMATCH', 'The bundle has another id');
    if (spec.profile === null) return spec;
    const profiles = (bundle.profiles ?? {}) as unknown as Readonly<Record<string, Profile>>;
    const profile = Object.hasOwn(profiles, spec.profile) ? profiles[spec.profile] : undefined;
    if (!profile) {
      throw new RuntimeError('PROFILE_INVALID', `The bundle has no profile "${spec.profile}"`, {
        details: { profile: spec.profile, profiles: Object.keys(profiles).slice(0, 50) },
      });
    }
    if (spec.engine !== null && spec.engine !== profile.engine) {
      throw new RuntimeError('PROFILE_INVALID', 'The profile names another engine', {
        details: { engine: spec.engine, profile: spec.profile },
      });
    }
    const refused = profile.tools && spec.tools.filter((tool) => !profile.tools?.includes(tool));
    if (refused && refused.length > 0) {
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'The profile does not allow these tools', {
        details: { tools: refused },
      });
    }
    return { ...spec, engine: profile.engine, config: { ...profile.config, ...spec.config } };
  }
}
