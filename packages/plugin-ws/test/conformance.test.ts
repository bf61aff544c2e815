import { testConformance } from './conformance.ts';
import { serve } from './served.ts';

testConformance(async (t) => (await serve(t)).url());
