import type { Claim } from '../contracts/claim.ts';
import { invalidRequest, RuntimeError } from '../contracts/runtime-error.ts';

/** The write claims that one Worker, or one detached execution of it, holds. */
interface Holding {
  readonly worker: string;
  readonly paths: readonly (readonly string[])[];
  /**
   * True if the Worker was deleted while an execution was still detaching. A new Worker with the same id does not
   * inherit these claims.
   */
  isOrphan: boolean;
}

interface Node {
  readonly children: Map<string, Node>;
  /** The holdings with a write claim on exactly this resource. */
  readonly holders: Set<Holding>;
}

const newNode = (): Node => ({ children: new Map(), holders: new Set() });

/**
 * Splits a resource into its components, the scheme first. `pointer` is the JSON pointer of the resource in the
 * request.
 * @throws INVALID_REQUEST the scheme is missing, or a component is empty, `.` or `..`
 */
export const parseResource = (resource: string, pointer = '/resource'): readonly string[] => {
  const match = /^([a-z][a-z0-9+.-]*):\/(.*)$/s.exec(resource);
  const components = match?.[2] === '' ? [] : match?.[2]?.replace(/\/$/, '').split('/');
  if (
    !match ||
    !components ||
    components.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
  ) {
    throw invalidRequest(
      [{ pointer, message: 'must be "<scheme>:/" and plain components' }],
      'A claim resource must be "<scheme>:/" and plain components, such as fs:/srv/docs',
    );
  }
  return [match[1] as string, ...components];
};

/**
 * The write claims that are held now. Two claims conflict if one resource contains the other, component by component,
 * unless the holder of the container is an ancestor of the other Worker: a parent can delegate a part of its claims.
 * Read claims are recorded with the Worker and never conflict. The cost of taking a claim depends on the depth of the
 * resource and the claims below it, and not on the number of Workers.
 */
export class Claims {
  readonly #root = newNode();
  readonly #byWorker = new Map<string, Holding>();
  readonly #lingering = new Set<Holding>();
  readonly #isAncestor: (ancestor: string, worker: string) => boolean;

  constructor(isAncestor: (ancestor: string, worker: string) => boolean) {
    this.#isAncestor = isAncestor;
  }

  /**
   * Takes all write claims of a Worker, or none.
   * @throws CLAIM_CONFLICT with the name of the claim and the Workers whose claims it overlaps
   */
  take(worker: string, claims: readonly Claim[]): void {
    const paths: (readonly string[])[] = [];
    for (const claim of claims) {
      if (claim.mode !== 'write') continue;
      const path = parseResource(claim.resource);
      const holders = this.#conflicts(worker, path);
      if (holders.length > 0) {
        throw new RuntimeError(
          'CLAIM_CONFLICT',
          `The claim "${claim.name}" overlaps a write claim of another Worker`,
          {
            details: { claim: claim.name, workers: holders.slice(0, 10) },
          },
        );
      }
      paths.push(path);
    }
    this.release(worker);
    if (paths.length > 0) this.#byWorker.set(worker, this.#hold(worker, paths));
  }

  /** Releases the claims of a Worker, if it holds any. */
  release(worker: string): void {
    const holding = this.#byWorker.get(worker);
    this.#byWorker.delete(worker);
    if (holding) this.#remove(holding);
  }

  /**
   * Holds the claims of a Worker a second time, for an execution that was detached and has not ended. Returns the
   * function that releases them.
   */
  linger(worker: string): () => void {
    const held = this.#byWorker.get(worker);
    if (!held) return () => {};
    const holding = this.#hold(worker, held.paths);
    this.#lingering.add(holding);
    return () => {
      if (this.#lingering.delete(holding)) this.#remove(holding);
    };
  }

  /** Releases the claims of a deleted Worker. The claims of its detached executions then conflict with every Worker. */
  releaseDeleted(worker: string): void {
    this.release(worker);
    for (const holding of this.#lingering) if (holding.worker === worker) holding.isOrphan = true;
  }

  #hold(worker: string, paths: Holding['paths']): Holding {
    const holding = { worker, paths, isOrphan: false };
    for (const path of paths) this.#node(path).holders.add(holding);
    return holding;
  }

  #remove(holding: Holding): void {
    for (const path of holding.paths) this.#removeBelow(this.#root, path, 0, holding);
  }

  #node(path: readonly string[]): Node {
    let node = this.#root;
    for (const part of path) {
      let child = node.children.get(part);
      if (!child) {
        child = newNode();
        node.children.set(part, child);
      }
      node = child;
    }
    return node;
  }

  #removeBelow(node: Node, path: readonly string[], depth: number, holding: Holding): void {
    if (depth === path.length) {
      node.holders.delete(holding);
      return;
    }
    const part = path[depth] as string;
    const child = node.children.get(part);
    if (!child) return;
    this.#removeBelow(child, path, depth + 1, holding);
    if (child.holders.size === 0 && child.children.size === 0) node.children.delete(part);
  }

  #conflicts(worker: string, path: readonly string[]): string[] {
    const found = new Set<string>();
    let node: Node | undefined = this.#root;
    for (const part of path) {
      node = node.children.get(part);
      if (!node) return [...found];
      // the holder of a container, or of the same resource, may be an ancestor that delegates
      for (const { worker: holder, isOrphan } of node.holders) {
        if (isOrphan || (holder !== worker && !this.#isAncestor(holder, worker))) found.add(holder);
      }
    }
    // a holder inside may be a descendant to which this Worker delegated
    const below = [...node.children.values()];
    for (let next = below.pop(); next && found.size < 10; next = below.pop()) {
      for (const { worker: holder, isOrphan } of next.holders) {
        if (isOrphan || (holder !== worker && !this.#isAncestor(worker, holder))) found.add(holder);
      }
      // not spread, because a call takes a limited number of arguments
      for (const child of next.children.values()) below.push(child);
    }
    return [...found];
  }
}
