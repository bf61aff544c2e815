import { isSmallOrLarge, testSubsets } from '../subsets.ts';

testSubsets((names) => !isSmallOrLarge(names));
