import { testRegistryFuzz } from '../registry-fuzz.ts';

testRegistryFuzz(
  'P19: requests of every kind get no 500, no secret and no error in another format, through a registry',
  10_000,
);
