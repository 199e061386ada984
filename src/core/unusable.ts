/** What becomes of mail for a recipient who has no usable key: the site says it, or the recipient source. */
export const UNUSABLE = ['defer', 'reject', 'last-valid', 'hold'] as const;

export type Unusable = (typeof UNUSABLE)[number];
