import { testFuzz } from '@worker-runtime/test-http/fuzz';
import { http } from '../../src/index.ts';

testFuzz('P19: requests of every kind get no 500, no secret and no error in another format', 20_000, {
  http,
});
