//! Which object needs which: the order in which objects are made, circles,
//! and references that lead nowhere.

use crate::Engine;
use rockhold_core::{Error, ErrorKind, KindId, Namespace, ObjectName, ObjectRef, Result, is_system_database};
use std::collections::{BTreeMap, BTreeSet};

/// An object and the objects that it names.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: KindId,
    pub(crate) name: ObjectName,
    pub(crate) references: Vec<ObjectRef>,
}

/// What a name is found by: functions by the part before the signature, in any case.
fn search_key(namespace: Namespace, name: &ObjectName) -> (Namespace, String, String) {
    let key = match namespace {
        Namespace::Function => name.base_name().to_lowercase(),
        Namespace::Relation | Namespace::Catalog => name.name.clone(),
    };
    (namespace, name.database.clone(), key)
}

impl Engine {
    fn namespace_meant(&self, reference: &ObjectRef) -> Namespace {
        reference.kind.as_ref().map_or(Namespace::Relation, |kind| self.namespace(kind))
    }

    /// Whether `typed`, looked for in `namespace`, means this object. The type
    /// word of a statement is not compared with the object's kind: tables,
    /// views and materialized views share one namespace, and StarRocks
    /// resolves by name. A function's name means all its overloads.
    pub(crate) fn is_named(
        &self,
        kind: &KindId,
        name: &ObjectName,
        namespace: Namespace,
        typed: &str,
    ) -> bool {
        self.namespace(kind) == namespace
            && match namespace {
                Namespace::Function => name.base_name().eq_ignore_ascii_case(typed),
                Namespace::Catalog => name.name.eq_ignore_ascii_case(typed),
                Namespace::Relation => name.name == typed,
            }
    }

    /// The positions of `nodes` such that each comes behind everything it
    /// names; where no reference decides, by `class`, then as they stand.
    ///
    /// # Errors
    /// `Conflict` naming the members of a circle.
    pub(crate) fn dependency_order(&self, nodes: &[Node], class: impl Fn(&Node) -> u8) -> Result<Vec<usize>> {
        let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, node) in nodes.iter().enumerate() {
            places.entry(search_key(self.namespace(&node.kind), &node.name)).or_default().push(place);
        }
        let needs: Vec<BTreeSet<usize>> = nodes
            .iter()
            .map(|node| {
                let keys = node.references.iter().map(|r| search_key(self.namespace_meant(r), &r.name));
                keys.filter_map(|key| places.get(&key)).flatten().copied().collect()
            })
            .collect();
        let mut waits: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        for (place, needed) in needs.iter().enumerate() {
            for &need in needed {
                if let Some(list) = needed_by.get_mut(need) {
                    list.push(place);
                }
            }
        }
        let ranked = |place: usize| (nodes.get(place).map_or(0, &class), place);
        let mut ready: BTreeSet<(u8, usize)> =
            (0..nodes.len()).filter(|place| waits.get(*place) == Some(&0)).map(ranked).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some((_, place)) = ready.pop_first() {
            order.push(place);
            for &behind in needed_by.get(place).into_iter().flatten() {
                if let Some(wait) = waits.get_mut(behind) {
                    *wait -= 1;
                    if *wait == 0 {
                        ready.insert(ranked(behind));
                    }
                }
            }
        }
        if order.len() == nodes.len() {
            return Ok(order);
        }
        let done: BTreeSet<usize> = order.into_iter().collect();
        let left: BTreeSet<usize> = (0..nodes.len()).filter(|place| !done.contains(place)).collect();
        let names: Vec<String> = circle(&needs, &left)
            .into_iter()
            .filter_map(|place| nodes.get(place).map(|node| node.name.to_string()))
            .collect();
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "objects refer to each other in a circle: {}; drop or change one of them",
                names.join(" → ")
            ),
        ))
    }

    /// What the nodes name that is neither among them nor in the warehouse:
    /// the position of the node and the name.
    ///
    /// # Errors
    /// Those of the warehouse.
    pub(crate) async fn missing_references(&self, nodes: &[Node]) -> Result<Vec<(usize, ObjectName)>> {
        let mut known: BTreeMap<_, bool> =
            nodes.iter().map(|n| (search_key(self.namespace(&n.kind), &n.name), true)).collect();
        let mut missing = Vec::new();
        for (place, node) in nodes.iter().enumerate() {
            let mut named = BTreeSet::new();
            for reference in &node.references {
                if is_system_database(&reference.name.database) {
                    continue;
                }
                let namespace = self.namespace_meant(reference);
                let key = search_key(namespace, &reference.name);
                let there = match known.get(&key) {
                    Some(there) => *there,
                    None => {
                        let there = self.exists(namespace, &reference.name).await?;
                        known.insert(key, there);
                        there
                    }
                };
                if !there && named.insert(&reference.name) {
                    missing.push((place, reference.name.clone()));
                }
            }
        }
        Ok(missing)
    }

    async fn exists(&self, namespace: Namespace, name: &ObjectName) -> Result<bool> {
        if namespace != Namespace::Function {
            return Ok(self.0.warehouse.object(namespace, name).await?.is_some());
        }
        match self.0.warehouse.objects(&name.database).await {
            Ok(objects) => {
                Ok(objects.iter().any(|o| self.is_named(&o.kind, &o.name, namespace, name.base_name())))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The words of a kind for people: `materialized view`.
    pub(crate) fn kind_words(&self, kind: &KindId) -> String {
        match self.0.kinds.get(kind) {
            Some(descriptor) => descriptor.singular.join(" ").to_lowercase(),
            None => kind.as_str().replace('_', " "),
        }
    }
}

/// One circle among the nodes that are left, its first member again at the end.
fn circle(needs: &[BTreeSet<usize>], left: &BTreeSet<usize>) -> Vec<usize> {
    let mut path: Vec<usize> = left.first().copied().into_iter().collect();
    // Whatever is left needs something that is left, so the walk comes back to where it was.
    while let Some(next) =
        path.last().and_then(|at| needs.get(*at)).and_then(|n| n.iter().find(|n| left.contains(n)))
    {
        let before = path.iter().position(|place| place == next);
        path.push(*next);
        if let Some(before) = before {
            return path.split_off(before);
        }
    }
    path
}
