//! The points of a workload.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::group::{Group, Workload};
use crate::scale::{Point, Scale, Unit};

impl Workload {
    /// The workload at each of its points, or as it is where it has none.
    pub fn points(&self, group: &Group) -> Result<Vec<(Option<Point>, Self)>> {
        let Some(scale) = &self.scale else { return Ok(vec![(None, self.clone())]) };
        let (Scale::Distinct(counts) | Scale::Headers(counts) | Scale::Items(counts) | Scale::Workers(counts)) = scale;
        counts.iter().map(|count| self.at(group, scale, *count)).collect()
    }

    fn at(&self, group: &Group, scale: &Scale, count: usize) -> Result<(Option<Point>, Self)> {
        ensure!(count > 0, "there is no point at 0");
        let mut workload = self.clone();
        let (of, at) = match scale {
            Scale::Distinct(_) => {
                workload.distinct = count;
                (Unit::Distinct, count)
            }
            Scale::Headers(_) => {
                let own = group.headers.iter().chain(&self.headers).map(BTreeMap::len).sum::<usize>();
                ensure!(own <= count, "its requests have {own} header lines, which is more than {count}");
                let filler = |number| BTreeMap::from([(format!("x-filler-{number}"), "of no importance".to_owned())]);
                workload.headers.extend((own..count).map(filler));
                (Unit::Headers, count)
            }
            Scale::Items(_) => {
                let Some(answer) = &mut workload.answer else {
                    anyhow::bail!("it has no `answer` of which there could be more `items`")
                };
                answer.count = count;
                (Unit::Bytes, answer.body().len())
            }
            Scale::Workers(_) => {
                workload.workers = count;
                (Unit::Workers, count)
            }
        };
        Ok((Some(Point { of, at }), workload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(scale: &str) -> Vec<(Option<Point>, Workload)> {
        let yaml = format!(
            "
headers: [{{accept: '*/*', user-agent: curl/8}}]
workloads:
- name: growing
  headers: [{{x-user: 'user-{{n}}'}}]
  answer: {{item: '1', count: 1, becomes: '2'}}
  {scale}
  chains: []
"
        );
        let group = Group::parse("g", &yaml).unwrap();
        group.workloads[0].points(&group).unwrap()
    }

    #[test]
    fn a_workload_without_a_scale_is_measured_as_it_is() {
        let points = points("");
        assert_eq!((points.len(), points[0].0), (1, None));
    }

    #[test]
    fn header_lines_are_filled_up_with_ones_of_no_importance() {
        let points = points("scale: {headers: [5]}");
        assert_eq!(points[0].0, Some(Point { of: Unit::Headers, at: 5 }));
        assert_eq!(points[0].1.headers.len(), 3);
    }

    #[test]
    fn bodies_are_counted_in_bytes() {
        let points = points("scale: {items: [1, 3]}");
        assert_eq!(
            points.iter().map(|(point, _)| point.unwrap().at).collect::<Vec<_>>(),
            ["[1]".len(), "[1,1,1]".len()]
        );
    }

    #[test]
    fn there_are_as_many_numbers_and_workers_as_the_point_says() {
        assert_eq!(points("scale: {distinct: [1, 1000]}")[1].1.distinct, 1000);
        assert_eq!(points("scale: {workers: [2]}")[0].1.workers, 2);
    }
}
