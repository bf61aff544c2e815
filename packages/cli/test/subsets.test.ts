import { isSmallOrLarge, testSubsets } from './subsets.ts';

testSubsets('P24: the runtime starts, serves the features of its plugins and refuses others', isSmallOrLarge);
