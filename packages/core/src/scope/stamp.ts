import { invalidRequest, RuntimeError } from '../contracts/runtime-error.ts';
import type { ServedRuntime } from '../contracts/served-runtime.ts';
import type { CreateWorker, ForkWorker, UpdateWorker } from '../contracts/worker.ts';
import { ownValue } from '../plugin-kit/own-value.ts';
import { isObject } from '../plugin-kit/shape.ts';
import { isSelected, type Labels, type Scope } from './scope.ts';

/**
 * The labels that the Workers of a caller get and keep. Each method returns a request with them. A request of the wrong shape is returned as it
 * is, because the runtime refuses it.
 */
export class Stamp {
  readonly #runtime: Pick<ServedRuntime, 'labelsOf'>;
  readonly #scope: Scope;

  constructor(runtime: Pick<ServedRuntime, 'labelsOf'>, scope: Scope) {
    this.#runtime = runtime;
    this.#scope = scope;
  }

  /** @throws INVALID_REQUEST the parent is outside of the scope, or a label has another value than the stamp · FORBIDDEN as `#inScope` */
  creation(request: CreateWorker): CreateWorker {
    if (!isObject(request)) return request;
    const { labels = {}, parent } = request;
    const ofParent = typeof parent === 'string' ? this.#runtime.labelsOf(parent) : null;
    if (ofParent !== null && !isSelected(this.#scope, ofParent)) {
      throw invalidRequest(
        [{ pointer: '/parent', message: 'is not a Worker of this runtime' }],
        'The parent does not exist',
      );
    }
    return isObject(labels)
      ? { ...request, labels: this.#inScope(labels as Labels, this.#scope.stamp) }
      : request;
  }

  /**
   * The fork of a Worker of someone else belongs to the caller, so the stamp replaces the labels that it has from the source.
   * @throws as `#inScope`
   */
  fork(source: string, request: ForkWorker): ForkWorker {
    if (!isObject(request)) return request;
    const { stamp } = this.#scope;
    if (request.labels === undefined) {
      const labels = this.#runtime.labelsOf(source);
      const isStamped = Object.entries(stamp).every(([name, value]) => labels?.[name] === value);
      return isStamped ? request : { ...request, labels: this.#inScope({ ...labels, ...stamp }, stamp) };
    }
    return isObject(request.labels)
      ? { ...request, labels: this.#inScope(request.labels as Labels, stamp) }
      : request;
  }

  /** A Worker keeps the values that it has, also those of another caller, and gets none that it has not. @throws as `#inScope` */
  update(workerId: string, request: UpdateWorker): UpdateWorker {
    if (!isObject(request) || !isObject(request.labels)) return request;
    const current = this.#runtime.labelsOf(workerId) ?? {};
    const labels = request.labels as Labels;
    const kept = Object.keys(this.#scope.stamp).flatMap((name) => {
      const value = ownValue(current, name);
      if (value !== undefined) return [[name, value] as const];
      if (ownValue(labels, name) === undefined) return [];
      throw reserved(name, 'is reserved, and the Worker has none');
    });
    return { ...request, labels: this.#inScope(labels, Object.fromEntries(kept)) };
  }

  /** @throws INVALID_REQUEST a label has another value than the stamp · FORBIDDEN the Worker would be outside of the scope */
  #inScope(labels: Labels, stamp: Labels): Labels {
    for (const [name, value] of Object.entries(stamp)) {
      const given = ownValue(labels, name);
      if (given !== undefined && given !== value) throw reserved(name, 'is reserved, and has another value');
    }
    const all = { ...labels, ...stamp };
    if (isSelected(this.#scope, all)) return all;
    throw new RuntimeError('FORBIDDEN', 'With these labels the Worker would be outside of your scope');
  }
}

const reserved = (label: string, message: string): RuntimeError =>
  invalidRequest([{ pointer: `/labels/${label.replaceAll('~', '~0').replaceAll('/', '~1')}`, message }]);
