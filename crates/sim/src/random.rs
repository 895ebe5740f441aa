//! Seeded randomness: what is drawn is a pure function of the seed and of what it is drawn for.

/// A generator for the `index`th thing of a kind that `salt` names.
pub(crate) fn generator(salt: u64, index: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(mix(salt, index))
}

/// Two numbers hashed into one, by the finalizer of SplitMix64: neighbouring indices must not give
/// neighbouring generators.
pub(crate) fn mix(salt: u64, index: u64) -> u64 {
    let mut hash = salt.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A version 4 UUID.
pub(crate) fn uuid(random: &mut fastrand::Rng) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid()
}
