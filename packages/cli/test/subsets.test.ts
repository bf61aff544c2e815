import { isSmallOrLarge, testSubsets } from './subsets.ts';

testSubsets(isSmallOrLarge);
