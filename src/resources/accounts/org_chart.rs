//! The organisation chart: departments within departments, and in each who reports to whom.

use std::collections::HashMap;

use poem_openapi::{Object, OpenApi, types::ToJSON};

use super::user::shown_name;
use crate::{
    actor::Role,
    auth::gate::Caller,
    db::Reader,
    engine::reply::Reply,
    error::{Error, Result},
};

/// The business as a tree.
#[derive(Object)]
#[oai(rename = "OrgChart")]
pub struct Chart {
    /// The departments that are part of no other.
    pub departments: Vec<DepartmentNode>,
    /// Those who work in no department.
    pub staff: Vec<StaffNode>,
}

/// A department with all that is in it.
#[derive(Object)]
pub struct DepartmentNode {
    /// The department's id.
    pub id: i64,
    /// The department's uuid.
    pub uuid: String,
    /// What it is called.
    pub name: String,
    /// The user id of who leads it.
    pub manager: Option<i64>,
    /// The name of who leads it.
    pub manager_name: Option<String>,
    /// Those in it who report to nobody in it, by rank and name.
    pub staff: Vec<StaffNode>,
    /// The departments that are part of it.
    pub departments: Vec<DepartmentNode>,
}

/// Somebody who works for the business.
#[derive(Object)]
pub struct StaffNode {
    /// The staff profile's id.
    pub id: i64,
    /// The user id; none for a name without an account.
    pub user: Option<i64>,
    /// What the person is called.
    pub name: String,
    /// What the person works as.
    pub designation: Option<String>,
    /// Those in the same department who report to this person.
    pub reports: Vec<StaffNode>,
}

/// The one endpoint of the chart.
pub struct OrgChart;

#[OpenApi]
impl OrgChart {
    /// Organisation chart
    ///
    /// The departments as a tree, and in each those who work in it under whom they report to. Who left is not shown.
    #[oai(path = "/accounts/org-chart", method = "get")]
    async fn read(&self, caller: Caller) -> Result<Reply<Chart>> {
        let actor = &caller.actor;
        let business = actor.business_id().filter(|_| actor.role.is_staff()).ok_or_else(Error::forbidden)?;
        // As in the list of staff profiles.
        let branch = actor.branch_id.filter(|_| matches!(actor.role, Role::Manager | Role::Staff));
        let chart = caller.scan(move |reader| draw(reader, business, branch)).await?;
        Ok(Reply::json(&chart.to_json().unwrap_or_default()))
    }
}

/// Departments by the one they are part of.
type Parts = HashMap<Option<i64>, Vec<DepartmentNode>>;

/// Staff by department, and within it by whom they report to.
type Teams = HashMap<(Option<i64>, Option<i64>), Vec<StaffNode>>;

const DEPARTMENTS: &str = concat!(
    "SELECT d.id, d.uuid, d.name, d.manager_id, CASE WHEN u.id IS NOT NULL THEN ",
    shown_name!("u"),
    " END, above.id FROM departments d LEFT JOIN users u ON u.id = d.manager_id \
     LEFT JOIN departments above ON above.id = d.parent_id AND above.deleted_at IS NULL \
     WHERE d.business_id = ?1 AND d.deleted_at IS NULL ORDER BY d.name"
);

const STAFF: &str = concat!(
    "SELECT p.id, p.user_id, coalesce(p.name, ",
    shown_name!("u"),
    "), g.name, d.id, p.assigned_to_id FROM staff_profiles p LEFT JOIN users u ON u.id = p.user_id \
     LEFT JOIN designations g ON g.id = p.designation_id \
     LEFT JOIN departments d ON d.id = p.department_id AND d.deleted_at IS NULL \
     WHERE p.business_id = ?1 AND p.deleted_at IS NULL AND p.status <> 'left' AND (?2 IS NULL OR p.branch_id = ?2) \
     ORDER BY g.rank IS NULL, g.rank, 3, p.id"
);

fn draw(reader: &Reader<'_>, business: i64, branch: Option<i64>) -> Result<Chart> {
    let args = [business.into(), branch.into()];
    let people = reader.rows(STAFF, &args, |row| {
        let node = StaffNode { id: row.get(0)?, user: row.get(1)?, name: row.get(2)?, designation: row.get(3)?, reports: vec![] };
        Ok((node, row.get::<Option<i64>>(4)?, row.get::<Option<i64>>(5)?))
    })?;
    let department_of: HashMap<i64, Option<i64>> =
        people.iter().filter_map(|(node, department, _)| Some((node.user?, *department))).collect();
    let mut teams = Teams::new();
    for (node, department, supervisor) in people {
        // Who reports to somebody elsewhere, or to somebody not shown, stands at the top of the department.
        let above = supervisor.filter(|user| department_of.get(user) == Some(&department));
        teams.entry((department, above)).or_default().push(node);
    }
    let mut parts = Parts::new();
    reader.each(DEPARTMENTS, &args, |row| {
        let (id, uuid, name, manager, manager_name) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let node = DepartmentNode { id, uuid, name, manager, manager_name, staff: vec![], departments: vec![] };
        parts.entry(row.get(5)?).or_default().push(node);
        Ok(())
    })?;
    Ok(Chart { departments: departments(&mut parts, &mut teams, None), staff: team(&mut teams, None, None) })
}

/// The departments that are part of one, with all that is in them. Each is taken out of `parts`, so even a loop would end.
fn departments(parts: &mut Parts, teams: &mut Teams, parent: Option<i64>) -> Vec<DepartmentNode> {
    let mut nodes = parts.remove(&parent).unwrap_or_default();
    for node in &mut nodes {
        node.staff = team(teams, Some(node.id), None);
        node.departments = departments(parts, teams, Some(node.id));
    }
    nodes
}

/// Those in a department who report to one person, with those who report to them.
fn team(teams: &mut Teams, department: Option<i64>, supervisor: Option<i64>) -> Vec<StaffNode> {
    let mut nodes = teams.remove(&(department, supervisor)).unwrap_or_default();
    for node in nodes.iter_mut().filter(|node| node.user.is_some()) {
        node.reports = team(teams, department, node.user);
    }
    nodes
}
