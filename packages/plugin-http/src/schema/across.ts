import type { ListedWorker, WorkerRequest } from '@worker-runtime/core';
import { ERROR_CODES } from '@worker-runtime/core';
import type { Across, Unavailable } from '@worker-runtime/core/plugin-kit';
import { cursor } from './cursor.ts';
import {
  arrayOf,
  described,
  enumOf,
  nullable,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
} from './json-schema.ts';
import { openRequest } from './worker.ts';

const page = {
  next: described(nullable(cursor), 'The cursor of the next page; null if there are no more items.'),
  unavailable: described(
    arrayOf(ref('Unavailable')),
    'The runtimes whose items are missing, with the reason. Every page has all of them.',
  ),
};

/** The schemas of lists over several runtimes. */
export const acrossSchemas: Schemas = {
  Unavailable: object<Unavailable>({
    name: string,
    runtimeId: nullableString,
    code: enumOf(...Object.keys(ERROR_CODES)),
    correlationId: nullableString,
  }),
  AcrossRequest: object<WorkerRequest & { readonly runtimeId: string }>({
    runtimeId: string,
    workerId: string,
    ...openRequest,
  }),
  WorkersAcross: object<Across<ListedWorker>>({ items: arrayOf(ref('ListedWorker')), ...page }),
  RequestsAcross: object<Across<WorkerRequest>>({ items: arrayOf(ref('AcrossRequest')), ...page }),
};
