import { testConformance } from '@worker-runtime/test-environment/socket-conformance';
import { serve } from './served.ts';

testConformance(async (t) => (await serve(t)).url());
