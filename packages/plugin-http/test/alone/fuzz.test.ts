import { testFuzz } from '../fuzz.ts';

testFuzz(
  'P19: requests of every kind get no 500, no secret and no error in another format',
  1_000,
  async (_t, { web }) => ({
    url: web.url,
    runtimeId: 'self',
  }),
);
