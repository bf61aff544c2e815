import type { WorkerSummary } from '@worker-runtime/core';
import { numberText } from './duration.ts';

/** Says that earlier history of a Worker is in an archive. */
export const Archived = ({
  history: { firstSeq, archive },
}: {
  readonly history: NonNullable<WorkerSummary['archived']>;
}) => (
  <p>
    The events before {numberText(firstSeq)} are in the archive <code>{archive}</code>.
  </p>
);
