import test from 'ava';
import { assertBackupsSurviveCollections } from '../collected-backups.ts';
import { assertKilledArchivingLosesNothing } from '../killed-archiving.ts';

test('P76: a kill -9 at any moment of an archiving leaves each Worker in the runtime or in a whole file', (t) =>
  assertKilledArchivingLosesNothing(t, 12, [1, 3, 6, 9]));

test('P75: backups are whole although the garbage collector runs at every moment of them', (t) =>
  assertBackupsSurviveCollections(t, 5));
