import { testFuzz } from './fuzz.ts';

testFuzz(async (_t, { web }) => ({ url: web.url, runtimeId: 'self' }));
